package finish

// LookNow makes the uuid's call be looked at at once, if it is open: somebody has changed what the store has of it.
func (e *Engine) LookNow(uuid string) {
	e.mu.Lock()
	if c := e.calls[uuid]; c != nil {
		e.schedule(c, e.clock.Mono())
	}
	e.mu.Unlock()
	e.poke()
}
