package admin

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// awaiting is a daemon with events that are in no record yet, all of one uuid.
type awaiting struct {
	nobody
	uuid    string
	pending []connector.Arrival
}

func (a awaiting) Pending(_ context.Context, uuid string) ([]connector.Arrival, error) {
	if uuid != a.uuid {
		return nil, nil
	}
	return a.pending, nil
}

func (a awaiting) OpenCalls(context.Context, func(string) bool) ([]connector.OpenCall, error) {
	return []connector.OpenCall{{UUID: a.uuid, Pending: a.pending}}, nil
}

// A straggler may bring the number into a finished call that has another one: then it is that call that is erased.
func TestErasedWithAStraggler(t *testing.T) {
	a := archived(t, 3)
	const number = "81155500011"
	groups, err := a.Store.Groups(t.Context(), connector.CallGroup(""), 3)
	require.NoError(t, err)
	uuid, _ := connector.ParseGroup(groups[0])
	other, _ := connector.ParseGroup(groups[1])
	story, err := a.Story(t.Context(), uuid)
	require.NoError(t, err)
	straggler := story.Calls[0].Events[1]
	straggler.Phone, straggler.Time = number, straggler.Time+1
	a.Live = awaiting{uuid: uuid, pending: []connector.Arrival{straggler}}
	for _, do := range []bool{false, true} {
		all := &Erasure{}
		for o := (EraseOrder{Phone: number, Do: do}); ; {
			part, err := a.Erase(t.Context(), o)
			require.NoError(t, err)
			all.Calls, all.Open, all.Already = append(all.Calls, part.Calls...), append(all.Open, part.Open...), all.Already+part.Already
			if o.After = part.Next; o.After == "" {
				break
			}
		}
		assert.Equal(t, []string{uuid}, all.Calls, "%v", do)
		assert.Empty(t, all.Open)
	}
	story, err = a.Story(t.Context(), uuid)
	require.NoError(t, err)
	assert.NotNil(t, story.Calls[0].Erased)
	story, err = a.Story(t.Context(), other)
	require.NoError(t, err)
	assert.Nil(t, story.Calls[0].Erased)
}
