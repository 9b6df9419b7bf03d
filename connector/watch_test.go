package connector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestPairs(t *testing.T) {
	begin := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	whole := []Kind{KindStarted, KindAnswered, KindJoined, KindLeft, KindEnded}
	for _, c := range []struct {
		name    string
		comes   []Kind
		missing []Kind
	}{
		{"all of them", whole, nil},
		{"calls that nobody answers", []Kind{KindStarted, KindEnded}, nil},
		{"nothing of agents", []Kind{KindStarted, KindAnswered, KindEnded}, []Kind{KindJoined}},
		{"nothing but of agents", []Kind{KindReady, KindJoined, KindLeft}, []Kind{KindAnswered, KindStarted, KindEnded}},
		{"no hang-up of agents", []Kind{KindStarted, KindAnswered, KindJoined, KindEnded}, []Kind{KindLeft}},
		{"no end", []Kind{KindStarted, KindAnswered, KindJoined, KindLeft}, []Kind{KindEnded}},
		{"no beginning", []Kind{KindAnswered, KindJoined, KindLeft, KindEnded}, []Kind{KindStarted}},
		{"nothing", nil, nil},
	} {
		missing := func(calls int, each time.Duration) (kinds []Kind) {
			var p Pairs
			now := begin
			for range calls {
				for _, k := range c.comes {
					p.See(k, TimeOf(now))
				}
				now = now.Add(each)
			}
			for _, u := range p.Unpaired() {
				if u.Missing(now) {
					kinds = append(kinds, u.Kind)
				}
			}
			return kinds
		}
		assert.ElementsMatch(t, c.missing, missing(40, time.Minute), c.name)
		assert.Empty(t, missing(40, time.Second), "%s: it may be chance for now", c.name)
		assert.Empty(t, missing(19, time.Hour), "%s: too few to tell", c.name)
	}
	var p Pairs
	for i := range 100 {
		p.See(KindAnswered, TimeOf(begin.Add(time.Duration(i)*time.Minute)))
	}
	p.See(KindJoined, TimeOf(begin.Add(101*time.Minute)))
	for _, u := range p.Unpaired() {
		assert.False(t, u.Missing(begin.Add(200*time.Minute)), "one is enough: %s", u.Kind)
	}
}

func TestClockDifference(t *testing.T) {
	now := TimeOf(time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
	var c ClockDifference
	assert.False(t, c.Span().Known)
	for range clockFew {
		assert.False(t, c.Span().Known, "a few may be wrong")
		c.See(now-2e6, now)
	}
	assert.Equal(t, KnownSpan(2e6), c.Span())
	for i := range 100 {
		stamp := now + 5e6 // ahead
		if i%10 == 0 {
			stamp -= 86400e6
		}
		c.See(stamp, now)
	}
	assert.Equal(t, KnownSpan(-5e6), c.Span())
}
