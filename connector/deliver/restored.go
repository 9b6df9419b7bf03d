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

// HoldRestored pauses a destination, configured or not, of a store that was restored from a backup, until a person resumes
// it: what was sent since the backup isn't known. It is for the time before Lane.Restore, and may be repeated.
func HoldRestored(ctx context.Context, store Store, destination string, taken, now time.Time) error {
	when := "a time that can't be read"
	if !taken.IsZero() {
		when = taken.UTC().Format(time.RFC3339)
	}
	body, err := json.Marshal(heldPause{Since: connector.TimeOf(now), Reason: fmt.Sprintf("restored from a backup taken at %s: what was sent since then is not known, "+
		"and what waits may be sent a second time; wrapup destinations resume %s", when, destination)})
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
