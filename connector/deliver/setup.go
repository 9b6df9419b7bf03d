package deliver

import (
	"context"
	"slices"

	"wrapup/mappings"
)

// setup is a destination as it is configured for a while. A delivery keeps the one that it began with to its end; only the
// next one sees another.
type setup struct {
	Destination
	// secrets are the destination's, as they are spelled.
	secrets []string
	// doubles are the steps that could log a call twice.
	doubles []string
	session *session
	// replaced ends when another configuration is in use, which replace is for.
	replaced context.Context
	replace  context.CancelFunc
}

func newSetup(d Destination) *setup {
	d.Concurrency = max(d.Concurrency, 1)
	if d.Probe == 0 {
		d.Probe = defaultProbe
	}
	s := &setup{
		Destination: d, secrets: spellings(d.Secrets), doubles: d.Mapping.Doubles(), session: &session{turn: make(chan struct{}, 1)},
	}
	s.replaced, s.replace = context.WithCancel(context.Background())
	return s
}

// outdated says that the configuration that the delivery began with is in use no more.
func (s *setup) outdated() bool { return s.replaced.Err() != nil }

// SetMapping takes the same mapping with other tables into use. A delivery that is under way ends with the one that it
// began with.
func (l *Lane) SetMapping(m *mappings.Mapping) {
	l.changing.Lock()
	defer l.changing.Unlock()
	s := *l.current.Load()
	s.Mapping = m
	l.current.Store(&s)
}

// Change takes another configuration of the destination into use, whose name is the same. A delivery that is under way ends
// with the one that it began with; one that has only waited for its turn begins anew. What is known of the destination is
// still known; but a pause that no person ends is probed at once, for what was wrong may have been set right.
func (l *Lane) Change(d Destination) {
	l.changing.Lock()
	defer l.changing.Unlock()
	old, s := l.current.Load(), newSetup(d)
	s.session.past = old.session.leave()
	l.gate.change(s.Probe, s.Mapping.Brake())
	l.limits.set(s.Mapping.Rate())
	l.current.Store(s)
	old.replace()
	l.ProbeNow()
}

// ProbeNow has a destination that is in trouble tried at once: something may have been set right. One that a person paused
// stays so.
func (l *Lane) ProbeNow() {
	l.renewals.reset()
	if t := l.current.Load().Tokens; t != nil {
		t.Retry()
	}
	l.gate.hurry(l.now())
	l.poke()
}

// leave gives the values of this login and of those before it: they stay secrets.
func (s *session) leave() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := slices.Clone(s.past)
	if s.values != nil {
		past = append(past, s.values)
	}
	return past[max(0, len(past)-keptPast):]
}
