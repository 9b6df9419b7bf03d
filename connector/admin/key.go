package admin

import (
	"context"
	"crypto/rand"

	"wrapup/connector"
	"wrapup/connector/correlate"
	"wrapup/outbox"
)

// The keys that erased numbers are hashed with are entries of a group of their own, one for each day on which something was
// erased: a key goes with the last calls that were erased with it.

// hashes gives the hashes that the number has if it was erased.
func (s Source) hashes(ctx context.Context, number correlate.Number) ([]string, error) {
	keys, err := s.Store.Entries(ctx, connector.ErasureGroup)
	if err != nil {
		return nil, err
	}
	var list []string
	for i := range keys {
		list = append(list, hashesBy(keys[i].Body, number)...)
	}
	return list, nil
}

func hashesBy(key []byte, number correlate.Number) []string {
	var list []string
	for _, n := range number.Numbers() {
		list = append(list, connector.HashNumber(key, n))
	}
	return list
}

// keyOf gives the key of the day, and makes it if there is none yet.
func (s Source) keyOf(ctx context.Context, day outbox.Day) ([]byte, error) {
	find := func() ([]byte, error) {
		keys, err := s.Store.Entries(ctx, connector.ErasureGroup)
		for i := range keys {
			if keys[i].ID == day.String() {
				return keys[i].Body, nil
			}
		}
		return nil, err
	}
	if key, err := find(); key != nil || err != nil {
		return key, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	_, err := s.Store.Commit(ctx, outbox.Tx{Group: connector.ErasureGroup, Entry: &outbox.EntryPut{ID: day.String(), Day: day, Body: key}})
	if err != nil {
		if key, _ := find(); key != nil { // somebody else was first
			return key, nil
		}
		return nil, err
	}
	return key, nil
}
