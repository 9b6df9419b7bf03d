package source

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNearest(t *testing.T) {
	words := []string{"talk_seconds", "ring_seconds", "destinations", "connected", "when"}
	for word, want := range map[string]string{
		"talk_secnds": "talk_seconds", "destinatons": "destinations", "conected": "connected", "wehn": "when",
		"Talk_Seconds": "talk_seconds", "zebra": "", "x": "", "": "",
	} {
		assert.Equal(t, want, Nearest(word, words), word)
	}
}

func TestProblem(t *testing.T) {
	ps := Problems{
		{File: "b.yaml", Line: 2, Column: 1, What: "later"},
		{File: "a.yaml", Line: 3, Column: 20, Path: "steps.log", What: `unknown field "x"` + Suggest("wehn", []string{"when"})},
		{File: "a.yaml", Warning: true, What: "doubtful"},
		{File: "b.yaml", Line: 2, Column: 1, What: "later"},
	}.Sort()
	assert.EqualError(t, ps.Err(), "a.yaml: warning: doubtful\n"+
		"a.yaml:3:20: steps.log: unknown field \"x\" (did you mean \"when\"?)\nb.yaml:2:1: later")
	assert.NoError(t, ps[:1].Err(), "warnings alone are no error")
	assert.NoError(t, Problems(nil).Err())
}
