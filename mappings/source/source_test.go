package source

import (
	"strings"
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

func TestDetailed(t *testing.T) {
	long := strings.Repeat("ab ", 50) + "wrong" + strings.Repeat(" yz", 50)
	for want, p := range map[string]Problem{
		"f:2:3: a.b: what\n  | x: y\n  |   ^": {File: "f", Line: 2, Column: 3, Path: "a.b", What: "what", Text: "x: y\r"},
		"f:2: what\n  | x: y":                 {File: "f", Line: 2, What: "what", Text: "x: y"},
		"f: what":                             {File: "f", What: "what", Text: "x: y"},
		"f:1:9: what":                         {File: "f", Line: 1, Column: 9, What: "what"},
		"f:1:3: what\n  |  [2J é x\n  |   ^":  {File: "f", Line: 1, Column: 3, What: "what", Text: "\x1b[2J\té x"},
		"f:1:9: what\n  | end\n  |    ^":      {File: "f", Line: 1, Column: 9, What: "what", Text: "end"},
		"f:1:151: what\n  | …" + long[100:200] + "…\n  |  " + strings.Repeat(" ", 50) + "^": {File: "f", Line: 1, Column: 151, What: "what", Text: long},
	} {
		assert.Equal(t, want, p.Detailed())
	}
}
