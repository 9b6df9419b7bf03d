package deliver

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"wrapup/connector"
	"wrapup/outbox"
)

// restoredItem in a destination's group says that its store was restored from a backup: a token in it may be spent since.
const restoredItem = "restored"

// untold says that the revision under way may have been sent before the store was put back from a backup: nobody noted here
// what was. Then each step that isn't done may be.
func (w *work) untold() bool {
	at := connector.TimeOf(w.restored.At)
	return at.Known() && w.delivery.Sure < at && w.call.UntoldSince(w.delivery.Done, at)
}

// doubt says whether nobody can be sure that a step wasn't done, and since when. It may be any time since the backup was taken.
func (w *work) doubt(step string) (connector.Doubt, bool) {
	doubt, known := w.delivery.Unsure[step]
	if !w.untold() {
		return doubt, known
	}
	taken, at := connector.TimeOf(w.restored.Taken), connector.TimeOf(w.restored.At)
	if !known {
		return connector.Doubt{Since: taken, Last: at}, true
	}
	return connector.Doubt{Since: min(doubt.Since, taken), Last: max(doubt.Last, at)}, true
}

// unknownSince says why it isn't known what was sent.
func (w *work) unknownSince() string {
	return fmt.Sprintf("the store was restored at %s from a backup taken at %s", shownTime(w.restored.At), shownTime(w.restored.Taken))
}

func shownTime(t time.Time) string {
	if t.IsZero() {
		return "a time that can't be read"
	}
	return t.UTC().Format(time.RFC3339)
}

// HoldRestored pauses a destination, configured or not, of a store that was restored from a backup, until a person resumes
// it: what was sent since the backup isn't known. It is for the time before Lane.Restore, and may be repeated.
func HoldRestored(ctx context.Context, store Store, destination string, taken, now time.Time) error {
	when := shownTime(taken)
	body, err := json.Marshal(heldPause{Since: connector.TimeOf(now), Reason: fmt.Sprintf("restored from a backup taken at %s: what was sent since then is not known, "+
		"and is looked for, or parked, before it is sent a second time; wrapup destinations resume %s", when, destination)})
	if err != nil {
		return fmt.Errorf("a pause can't be stored: %w", err)
	}
	group := connector.DestinationGroup(destination)
	if _, err := store.Commit(ctx, outbox.Tx{Group: group, Drop: []string{heldItem, restoredItem}}); err != nil {
		return err
	}
	// A crash here finds the backup's mark, and does this again.
	_, err = store.Commit(ctx, outbox.Tx{Group: group, Add: []outbox.Item{{ID: heldItem, Body: body}, {ID: restoredItem, Body: []byte(when)}}})
	return err
}
