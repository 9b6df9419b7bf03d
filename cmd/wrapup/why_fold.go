package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"wrapup/connector"
	"wrapup/connector/admin"
)

// flagInWords says what a flag of a record means.
func flagInWords(f connector.Flag) string {
	switch f {
	case connector.FlagAnswerMissing:
		return "an agent joined, but the customer's answer never came; how long he rang and waited is unknown"
	case connector.FlagClockSkew:
		return "stamps contradict each other; the time between them was taken as 0"
	case connector.FlagConflict:
		return "phone or queue differs between the events; the creation's was taken, else the earliest"
	case connector.FlagHangupMissing:
		return "the call's hang-up never came; how long it lasted is unknown, or taken from the agent's hang-up"
	case connector.FlagJoinMissing:
		return "an agent left who never joined; how long he talked is unknown"
	case connector.FlagLeftInferred:
		return "an agent's leaving never came; it was taken from what he did next"
	case connector.FlagStartMissing:
		return "the call's creation never came; when it began is unknown"
	}
	return "a flag that this version doesn't know"
}

// remarks say what else the fold made of a call's events.
func remarks(c *admin.FinishedCall) []string {
	var list []string
	if text := mergedInWords(c); text != "" {
		list = append(list, text)
	}
	if c.Record().Attempt > 1 {
		list = append(list, fmt.Sprintf("The uuid was used before: this is call number %d under it, and has a call_id of its own.", c.Record().Attempt))
	}
	if c.Erased != nil {
		list = append(list, "The customer's number was erased at "+shortTime(c.Erased.At)+" UTC. What comes of the call is swallowed.")
	}
	return list
}

// mergedInWords says that several creations were taken for one call.
func mergedInWords(c *admin.FinishedCall) string {
	n := 0
	for i := range c.Events {
		if c.Events[i].Kind == connector.KindStarted {
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%d creations came under this uuid, and were merged as duplicates of one call: "+
		"a creation is a new call only if it comes more than a minute after the hang-up.", n)
}

// changes says what a revision changed, field by field.
func changes(before, after *connector.Record) []string {
	a, b := fields(before), fields(after)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if name != "revision" && string(a[name]) != string(b[name]) {
			list = append(list, fmt.Sprintf("%s: %s → %s", name, a[name], b[name]))
		}
	}
	return list
}

func fields(r *connector.Record) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	if body, err := json.Marshal(r); err == nil {
		_ = json.Unmarshal(body, &m) // what was just written
	}
	return m
}
