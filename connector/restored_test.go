package connector

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUntoldSince(t *testing.T) {
	const restored = 1000
	call := func(made Time, more ...Arrival) *Call {
		return &Call{FinishedAt: made, Revisions: []Revision{{At: made, Record: Record{Revision: 1}}}, Events: more}
	}
	event := func(came, stamp Time) Arrival { return Arrival{At: came, Event: Event{Time: stamp}} }
	amended := func(c *Call, made Time, more ...Arrival) *Call {
		c.Revisions = append(c.Revisions, Revision{At: made, Record: Record{Revision: 2}})
		c.Events = append(c.Events, more...)
		return c
	}
	for name, row := range map[string]struct {
		call *Call
		done int
		want bool
	}{
		"finished before":                                      {call(900), 0, true},
		"finished before, and delivered":                       {amended(call(900, event(899, 890)), 1100, event(1090, 1080)), 1, false},
		"open then":                                            {call(1100, event(990, 980), event(1050, 1040)), 0, true},
		"begun afterwards":                                     {call(1100, event(1010, 1005)), 0, false},
		"posted again afterwards":                              {call(1100, event(1010, 990)), 0, true},
		"its update waited then":                               {amended(call(900), 950), 1, true},
		"its update is made of what was there then":            {amended(call(900, event(899, 890)), 1100, event(950, 940)), 1, true},
		"its update is of what the dialer may have sent twice": {amended(call(900, event(899, 890)), 1100, event(1050, 940)), 1, true},
		"its update is delivered":                              {amended(call(900), 950), 2, false},
	} {
		assert.Equal(t, row.want, row.call.UntoldSince(row.done, restored), name)
	}
}
