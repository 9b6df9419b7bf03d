package connector

// UntoldSince says whether the revision after the given one (0 for none) may have been sent before the store was put back
// from a backup, at the time given: by a life of the store of which it knows nothing. So it may if anything that the revision
// has and the one before hasn't is from before that time, by our clock or by the dialer's: a dialer may post again what the
// backup lacks.
func (c *Call) UntoldSince(done int, restored Time) bool {
	var sent Time // when what is known to be sent was made
	for i := range c.Revisions {
		r := &c.Revisions[i]
		if r.Record.Revision <= done {
			sent = r.At
		} else if r.At < restored {
			return true
		}
	}
	for i := range c.Events {
		if e := &c.Events[i]; e.At >= sent && (e.At < restored || e.Time < restored) {
			return true
		}
	}
	return done == 0 && c.FinishedAt < restored
}
