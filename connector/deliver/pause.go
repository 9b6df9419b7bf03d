package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// A pause by a person, or by the brake, outlives the process: it is an item of the destination's own group.
const heldItem = "held"

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
	group := connector.DestinationGroup(l.Name)
	if _, err := l.store.Commit(ctx, outbox.Tx{Group: group, Drop: []string{heldItem}}); err != nil {
		return err
	}
	// A crash here finds no pause: it was not answered yet.
	_, err = l.store.Commit(ctx, outbox.Tx{Group: group, Add: []outbox.Item{{ID: heldItem, Body: body}}})
	return err
}

// Resume ends a pause, whoever or whatever began it. Deliveries begin slowly.
func (l *Lane) Resume(ctx context.Context) error {
	if _, err := l.store.Commit(ctx, outbox.Tx{Group: connector.DestinationGroup(l.Name), Drop: []string{heldItem}}); err != nil {
		return err
	}
	l.renewals.reset()
	if l.Tokens != nil {
		l.Tokens.Retry()
	}
	l.gate.resume(l.now())
	l.poke()
	l.log.Info("the destination is resumed")
	return nil
}

// Restore takes over what an earlier process stored, a pause or a token: an item of the destination's group.
func (l *Lane) Restore(item outbox.Item) error {
	if l.TokenStore != nil && l.TokenStore.restore(item) {
		return nil
	}
	if item.ID != heldItem {
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
	if l.TokenStore != nil {
		l.TokenStore.other(destination, item)
	}
}

// Damaged says that not all of what earlier processes stored could be read.
func (l *Lane) Damaged() {
	if l.TokenStore != nil {
		l.TokenStore.damaged()
	}
}

// Paused gives why and since when the destination is paused, "" if it isn't; held says that it waits for a person.
func (l *Lane) Paused() (reason string, since time.Time, held bool) { return l.gate.state() }

// poke wakes the lane.
func (l *Lane) poke() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}
