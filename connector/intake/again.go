package intake

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"wrapup/connector"
)

// Retry reads what is in quarantine once more, with the parsers of today. What is understood now takes the way of any event
// that has just come: it counts as come now, because timers run on arrival. A call that came whole is told whole then; with
// the first arrival each of its events would be overdue as it came, and be told alone. What is still not understood stays.
//
// A crash in between loses nothing: events are stored before they leave the quarantine, and a second retry finds repeats.
func (r *Receiver) Retry(ctx context.Context, ids []string) []connector.QuarantineChange {
	return each(ids, func(id string) connector.QuarantineChange {
		c, err := r.retry(ctx, id)
		if err != nil {
			c.Note = err.Error()
		}
		c.ID, c.Done = id, err == nil
		return c
	})
}

func (r *Receiver) retry(ctx context.Context, id string) (c connector.QuarantineChange, err error) {
	if r.quarantine == nil {
		return c, errGone
	}
	k := r.quarantine.find(id)
	if k == nil {
		return c, errGone
	}
	s := r.sourceOf(k.Source)
	if s == nil {
		return c, fmt.Errorf("its source %q is not configured any more", k.Source)
	}
	events, wrong := s.Parse(k.Body)
	if len(events) == 0 {
		return c, fmt.Errorf("still not understood: %s", strings.Join(firstFew(texts(wrong), loggedReasons), "; "))
	}
	done, no := r.keep(ctx, s.Name, events)
	c.Stored, c.Repeated = done.Stored, done.Repeated
	r.counts.feed(s.Name, func(f *feed) {
		f.Stored += int64(done.Stored)
		f.Repeated += int64(done.Repeated)
	})
	if no != nil {
		return c, errors.New(no.text)
	}
	if len(wrong) > 0 {
		rest := connector.Quarantined{Source: k.Source, Sender: k.Sender, First: k.First, Reasons: texts(wrong),
			Body: notUnderstood(k.Body, wrong, len(events))}
		c.Note = fmt.Sprintf("a part is still not understood: %s", strings.Join(firstFew(rest.Reasons, loggedReasons), "; "))
		if identify(rest.Source, rest.Body) == id {
			return c, errors.New(c.Note)
		}
		if err := r.quarantine.keep(ctx, rest); err != nil {
			return c, fmt.Errorf("%s; it stays whole: %w", c.Note, err)
		}
	}
	// A crash here leaves it in quarantine, and its events in the store.
	return c, r.quarantine.remove(ctx, k, connector.CountQuarantineRead)
}

// sourceOf gives the source of that name, nil if there is none.
func (r *Receiver) sourceOf(name string) *Source {
	doors := r.way.Load().doors
	for i := range doors {
		if doors[i].Name == name {
			return &doors[i].Source
		}
	}
	return nil
}
