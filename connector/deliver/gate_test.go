package deliver

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A delivery that is taken just as its destination is paused is no probe: it neither counts as one nor puts the next one off.
func TestTakenWhileJustPaused(t *testing.T) {
	now := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	const probe = 30 * time.Second
	paused := func() *gate {
		g := &gate{probe: probe}
		assert.Zero(t, g.wait(now)) // then somebody else finds that the destination is down
		g.down(now.Add(time.Millisecond), trouble{reason: "down"})
		assert.False(t, g.take(now))
		return g
	}
	due := now.Add(time.Millisecond + probe)

	g := paused()
	assert.Equal(t, probe, g.wait(now.Add(time.Millisecond)), "the next probe comes when it would have come")
	assert.Zero(t, g.wait(due))
	assert.True(t, g.take(due), "at the very moment when it is due")
	assert.Equal(t, time.Minute, g.wait(due.Add(probe)), "one probe at a time")
	g.probed(due, false)
	assert.Zero(t, g.wait(due), "one that told nothing makes room for another")

	g = paused()
	g.hurry(now.Add(time.Second))
	assert.Zero(t, g.wait(now.Add(time.Second)), "whoever took one before doesn't stand in the way")
	assert.True(t, g.take(now.Add(time.Second)))

	g = paused()
	g.resume(now.Add(time.Second))
	assert.Zero(t, g.wait(now.Add(time.Second)))
	assert.False(t, g.take(now.Add(time.Second)), "what isn't paused needs no probe")

	g = &gate{probe: probe}
	g.hold(now, "by a person")
	assert.False(t, g.take(now))
	assert.Equal(t, time.Minute, g.wait(now.Add(time.Hour)))
	g.resume(now.Add(time.Hour))
	assert.Zero(t, g.wait(now.Add(time.Hour)), "nor does one taken while a person paused it")
}
