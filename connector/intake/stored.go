package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"wrapup/connector"
	"wrapup/outbox"
)

// seenCount is the item that says how often the same bytes came.
type seenCount struct {
	Count int64          `json:"count"`
	Last  connector.Time `json:"last"`
}

func (s seenCount) encode() []byte {
	b, _ := json.Marshal(s) // numbers and times can always be written
	return b
}

// countID names the item that holds a count. Items are immutable: each new count is a new item in place of the last one.
func countID(id string, serial uint64) string { return id + "/" + strconv.FormatUint(serial, 10) }

// maxStored is how large a stored one may be: a body of 1 MiB in base64, and what is said about it.
const maxStored = 4 << 20

func encodeQuarantined(one *connector.Quarantined) ([]byte, error) {
	b, err := json.Marshal(one)
	if err == nil && len(b) > maxStored {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("a post can't be kept in quarantine: %w", err)
	}
	return b, nil
}

// decodeQuarantined reads what encodeQuarantined wrote, and what else might be there in its place.
func decodeQuarantined(item outbox.Item) (connector.Quarantined, error) {
	var one connector.Quarantined
	err := json.Unmarshal(item.Body, &one)
	switch {
	case err != nil:
	case one.ID != item.ID:
		err = fmt.Errorf("it calls itself %q", one.ID)
	case identify(one.Source, one.Body) != one.ID:
		err = errors.New("its body is not the one that was posted")
	}
	if err != nil {
		return connector.Quarantined{}, fmt.Errorf("what is stored of the post in quarantine %q can't be read: %w", item.ID, err)
	}
	one.Size, one.Count = len(one.Body), max(one.Count, 1)
	return one, nil
}

// Restore takes over what earlier processes stored: the items of connector.QuarantineGroup. It is called before anything
// is kept. What can't be read stays in the store and is told in the error; all else is there.
func (q *Quarantine) Restore(items []outbox.Item) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var bad []error
	counts := map[string]outbox.Item{} // the newest of each
	serials := map[string]uint64{}
	for _, item := range items {
		id, tail, isCount := strings.Cut(item.ID, "/")
		if !isCount {
			one, err := decodeQuarantined(item)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			k := &kept{Quarantined: one, stored: make(chan struct{})}
			close(k.stored)
			q.kept[id] = k
			q.bytes += int64(len(one.Body)) + share
			continue
		}
		serial, err := strconv.ParseUint(tail, 10, 64)
		if err == nil && serial > serials[id] {
			counts[id], serials[id] = item, serial
		}
	}
	for id, item := range counts {
		k := q.kept[id]
		if k == nil {
			continue
		}
		k.serial = serials[id]
		var seen seenCount
		if err := json.Unmarshal(item.Body, &seen); err != nil {
			bad = append(bad, fmt.Errorf("the count of the post in quarantine %q can't be read: %w", id, err))
			continue
		}
		k.Count, k.Last = max(k.Count, seen.Count), max(k.Last, seen.Last)
	}
	return errors.Join(bad...)
}
