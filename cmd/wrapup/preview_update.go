package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

// laterRevision is a record that came after another one, and in words what differs.
type laterRevision struct {
	record  *connector.Record
	changes string
}

// assumedChange is what a later revision mostly brings.
const assumedChange = `recording_url=https://recordings.example.com/call.mp3`

// later gives the revision that is sent first and the one that comes after it.
func (p previewing) later(revisions []*connector.Record) (first *connector.Record, later *laterRevision, err error) {
	newest := revisions[len(revisions)-1]
	if n := len(revisions); n > 1 && len(p.changes) == 0 {
		return revisions[n-2], &laterRevision{newest, "as it came"}, nil
	}
	changes := p.changes
	if len(changes) == 0 {
		changes = []string{assumedChange}
	}
	record, err := changed(newest, changes)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return newest, &laterRevision{record, strings.Join(changes, ", ")}, nil
}

// changed gives the next revision of a record, with the changes in it.
func changed(record *connector.Record, changes []string) (*connector.Record, error) {
	fields := map[string]any{"revision": record.Revision + 1}
	for _, change := range changes {
		name, text, ok := strings.Cut(change, "=")
		if !ok {
			return nil, fmt.Errorf("--change %s: expected field=value", change)
		}
		if known := mappings.RecordFields(); !slices.Contains(known, name) {
			return nil, fmt.Errorf("--change %s: unknown field %q%s", change, name, problem.Suggest(name, known))
		}
		v, err := configs.ParamValue(text)
		if err != nil {
			return nil, fmt.Errorf("--change %s: %w", change, err)
		}
		if err := knownWords(name, v); err != nil {
			return nil, fmt.Errorf("--change %s: %w", change, err)
		}
		fields[name] = v
	}
	before, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	to := new(connector.Record)
	if err := json.Unmarshal(before, to); err != nil {
		return nil, err
	}
	if err := json.NewDecoder(bytes.NewReader(after)).Decode(to); err != nil {
		return nil, fmt.Errorf("--change: %w", err)
	}
	return to, nil
}

// knownWords refuses what a field can't be that is one of some words, such as the outcome.
func knownWords(field string, v any) error {
	words := mappings.RecordWords(field)
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		if s, ok := v.(string); ok && words != nil && !slices.Contains(words, s) {
			return fmt.Errorf("%s is never %q%s: it is one of %s", field, s, problem.Suggest(s, words), strings.Join(words, ", "))
		}
	}
	return nil
}

// playUpdate plays what comes after a call was logged in full.
func (p previewing) playUpdate(to *preview, m *bound, end mappings.Call, later *laterRevision, answers []mappings.Answer) {
	if to.Ended != "finished" {
		to.Reason += "; before that is mended, there is nothing to update"
		return
	}
	u := &preview{
		Mapping: to.Mapping, Version: to.Version, From: to.From, Destination: to.Destination, Call: to.Call,
		Revision: later.record.Revision, Outcome: string(later.record.Outcome), Record: "the later revision", Changes: later.changes,
		Steps: []shown{}, saved: end.Progress.Saved,
	}
	to.Update = u
	if !m.PostsRevisions() {
		u.Ended, u.Reason, u.Unused = "skipped", "the mapping has no update: what was logged stays as it is", to.Unused
		to.Unused = 0
		return
	}
	call := mappings.Call{Record: later.record, Sent: end.Record, Progress: end.Progress.Finished(), Session: end.Session, Auth: end.Auth, Now: end.Now}
	list, _ := p.play(m, call, answers[len(answers)-to.Unused:])
	u.exchanges(list, m, to.Unused)
	u.Assumed, to.Unused = []string{}, 0
	if u.Ended == "finished" {
		u.Reason = "the log is up to date"
		if len(u.Steps) == 0 {
			u.Reason += ": these changes are no matter for the mapping"
		}
	}
	to.failed = to.failed || u.failed
}
