package finish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/correlate"
)

// An event wakes the feed if its call is due sooner than all others, and leaves it alone else: thousands come in a second.
func TestOnlyWhatIsSoonerWakes(t *testing.T) {
	clock := &stoppedClock{}
	e := New(Options{Settings: correlate.DefaultSettings(), Clock: clock})
	woken := func() bool {
		select {
		case <-e.wake:
			return true
		default:
			return false
		}
	}
	of := func(uuid string, ev connector.Event) {
		ev.UUID = uuid
		e.Observe(connector.CallGroup(uuid), connector.Arrival{Event: ev})
	}
	of("a", created)
	assert.True(t, woken(), "it is the first")
	of("b", created)
	assert.False(t, woken(), "it is due with the first")
	clock.now += time.Second
	of("a", answered)
	of("c", created)
	assert.False(t, woken(), "both are due later")
	of("c", ended)
	assert.True(t, woken(), "it is due at once")
	clock.now += time.Second
	of("b", ended)
	assert.False(t, woken(), "another call is due before")

	first, wait := e.next()
	require.NotNil(t, first, wait)
	assert.Equal(t, "c", first.uuid)
	second, _ := e.next()
	require.NotNil(t, second)
	assert.Equal(t, "b", second.uuid)
	third, wait := e.next()
	assert.Nil(t, third)
	assert.Positive(t, wait)
	of("b", answered)
	assert.False(t, woken(), "it is being looked at, and is put back by who does that")
	e.LookNow("a")
	assert.True(t, woken())
}

// stoppedClock is a clock that a test sets.
type stoppedClock struct{ now time.Duration }

func (c *stoppedClock) Wall() time.Time     { return dialer.Time().Add(c.now) }
func (c *stoppedClock) Mono() time.Duration { return c.now }
