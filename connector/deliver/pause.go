package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// A pause by a person, or by the brake, outlives the process: it is an item of the destination's own group, whose name
// begins like this. Items can't be changed, so each pause is one with a number of its own: it comes and the one before goes
// in one commit, and whenever the process ends, the destination is paused.
const heldItem = "held"

// holds are the items of pauses that are, or may be, in the store.
type holds struct {
	mu     sync.Mutex
	there  []string
	number uint64 // the last one that was used
}

type heldPause struct {
	Reason string         `json:"reason"`
	Since  connector.Time `json:"since"`
}

// Pause holds the destination until Resume: nothing is sent, and what waits keeps waiting.
func (l *Lane) Pause(ctx context.Context, reason string) error {
	since := l.now()
	if err := l.remember(ctx, heldPause{Reason: reason, Since: connector.TimeOf(since)}); err != nil {
		return err
	}
	l.gate.hold(since, reason)
	l.log.Info("the destination is paused by a person", "reason", reason)
	return nil
}

func (l *Lane) remember(ctx context.Context, p heldPause) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("a pause can't be stored: %w", err)
	}
	l.holds.mu.Lock()
	defer l.holds.mu.Unlock()
	l.holds.number++
	id := heldItem + "." + strconv.FormatUint(l.holds.number, 10)
	_, err = l.store.Commit(ctx, outbox.Tx{
		Group: connector.DestinationGroup(l.Name), Drop: l.holds.there, Add: []outbox.Item{{ID: id, Body: body}},
	})
	switch {
	case err == nil:
		l.holds.there = []string{id}
	case errors.Is(err, outbox.ErrConflict), errors.Is(err, outbox.ErrFull), errors.Is(err, outbox.ErrInvalid):
		// nothing was changed
	default:
		l.holds.there = append(l.holds.there, id)
	}
	return err
}

// forget takes the pause out of the store.
func (l *Lane) forget(ctx context.Context) error {
	l.holds.mu.Lock()
	defer l.holds.mu.Unlock()
	if len(l.holds.there) == 0 {
		return nil
	}
	_, err := l.store.Commit(ctx, outbox.Tx{Group: connector.DestinationGroup(l.Name), Drop: l.holds.there})
	if err == nil {
		l.holds.there = nil
	}
	return err
}

// restore takes over the name of an item that an earlier process stored. It is false if it is no pause.
func (h *holds) restore(id string) bool {
	number, ok := strings.CutPrefix(id, heldItem+".")
	if !ok && id != heldItem { // without a number they were stored before
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.there = append(h.there, id)
	if n, err := strconv.ParseUint(number, 10, 64); err == nil {
		h.number = max(h.number, n)
	}
	return true
}

// Resume ends a pause, whoever or whatever began it. Deliveries begin slowly.
func (l *Lane) Resume(ctx context.Context) error {
	if err := l.forget(ctx); err != nil {
		return err
	}
	l.renewals.reset()
	if t := l.current.Load().Tokens; t != nil {
		t.Retry()
	}
	l.log.Info("the destination is resumed") // before what comes of it
	l.gate.resume(l.now())
	l.poke()
	return nil
}

// Restore takes over what an earlier process stored, a pause or a token: an item of the destination's group.
func (l *Lane) Restore(item outbox.Item) error {
	if s := l.current.Load().TokenStore; s != nil && s.restore(item) {
		return nil
	}
	if item.ID == restoredItem { // it says something of tokens, of which there are none: it goes with the pause
		l.holds.mu.Lock()
		defer l.holds.mu.Unlock()
		l.holds.there = append(l.holds.there, item.ID)
		return nil
	}
	if !l.holds.restore(item.ID) {
		return nil
	}
	var p heldPause
	if err := json.Unmarshal(item.Body, &p); err != nil {
		return fmt.Errorf("the stored pause of %s can't be read: %w", l.Name, err)
	}
	l.gate.hold(p.Since.Time(), p.Reason)
	return nil
}

// Elsewhere looks at what an earlier process stored of another destination.
func (l *Lane) Elsewhere(destination string, item outbox.Item) {
	if s := l.current.Load().TokenStore; s != nil {
		s.other(destination, item)
	}
}

// Damaged says that not all of what earlier processes stored could be read.
func (l *Lane) Damaged() {
	if s := l.current.Load().TokenStore; s != nil {
		s.damaged()
	}
}

// Paused gives why and since when the destination is paused, "" if it isn't; held says that it waits for a person.
func (l *Lane) Paused() (reason string, since time.Time, held bool) { return l.gate.state() }

// poke wakes the lane.
func (l *Lane) poke() {
	signal(l.woken, struct{}{})
}
