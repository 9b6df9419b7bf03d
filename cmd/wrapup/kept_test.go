package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/nxcloud"
	"wrapup/connector/simulate"
	"wrapup/outbox"
)

// eventsOf names the events of a post, each by its group and its ID there. An event of an agent within a call is in two groups.
func eventsOf(t *testing.T, body []byte) (names []string) {
	t.Helper()
	events, errs := nxcloud.ParseEvents(body)
	require.Empty(t, errs)
	for i := range events {
		for _, group := range events[i].Groups() {
			names = append(names, group+" "+events[i].IDIn(group))
		}
	}
	return names
}

// keptEvents names the events that a store has, of open calls, finished calls, and agents. What it can't read is an error.
func keptEvents(ctx context.Context, store outbox.Store) (map[string]bool, error) {
	kept := map[string]bool{}
	note := func(group string, a *connector.Arrival) { kept[group+" "+a.IDIn(group)] = true }
	err := store.Open(ctx, func(group string, items []outbox.Item) error {
		for _, item := range items {
			var a connector.Arrival
			if err := json.Unmarshal(item.Body, &a); err != nil {
				return fmt.Errorf("%s %s: %w", group, item.ID, err)
			}
			if connector.HoldsEvents(group) {
				note(group, &a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return kept, eachEntry(ctx, store, func(e *outbox.Entry) error {
		call, err := connector.DecodeCall(e.Body)
		if err != nil {
			return fmt.Errorf("%s: %w", e.ID, err)
		}
		for _, arrivals := range [][]connector.Arrival{call.Events, call.Late} {
			for i := range arrivals {
				note(e.Group, &arrivals[i])
			}
		}
		return nil
	})
}

// eachEntry calls f with each entry of the history.
func eachEntry(ctx context.Context, store outbox.Store, f func(e *outbox.Entry) error) error {
	days, err := store.Days(ctx)
	if err != nil {
		return err
	}
	for _, day := range days {
		entries, err := store.Walk(ctx, day, 0, 1<<20)
		if err != nil {
			return err
		}
		for i := range entries {
			if err := f(&entries[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lost counts the events of calls that were posted and are not in the store.
func lost(t *testing.T, store outbox.Store, posts []simulate.Post) (n int) {
	t.Helper()
	kept, err := keptEvents(t.Context(), store)
	require.NoError(t, err)
	for i := range posts {
		for _, name := range eventsOf(t, posts[i].Body) {
			if strings.HasPrefix(name, connector.CallGroup("")) && !posts[i].Repeat && !kept[name] {
				n++
			}
		}
	}
	return n
}
