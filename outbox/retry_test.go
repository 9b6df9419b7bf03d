package outbox_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"wrapup/outbox"
)

func drawBackoff(t *rapid.T) outbox.Backoff {
	first := rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "first")
	most := rapid.Int64Range(first, math.MaxInt64).Draw(t, "max")
	return outbox.Backoff{First: time.Duration(first), Max: time.Duration(most)}
}

func drawRandom(t *rapid.T) float64 {
	return rapid.OneOf(
		rapid.Float64Range(0, math.Nextafter(1, 0)),
		rapid.SampledFrom([]float64{0, math.Nextafter(1, 0)}),
	).Draw(t, "random")
}

// manyFailures is more than anything is ever tried, and far beyond where a doubled duration overflows.
const manyFailures = math.MaxInt

func drawFailed(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(1, 70), rapid.IntRange(1, manyFailures)).Draw(t, "failed")
}

// step is the longest delay after so many failures, worked out without floating point.
func step(b outbox.Backoff, failed int) time.Duration {
	d := b.First
	for range min(failed, 100) - 1 {
		if d > b.Max/2 {
			return b.Max
		}
		d *= 2
	}
	return min(d, b.Max)
}

func TestBackoffBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, failed := drawBackoff(t), drawFailed(t)
		most := step(b, failed)
		got := b.Delay(failed, drawRandom(t))
		// Above 2^53 ns (104 days) floating point rounds; a millionth is allowed for it.
		slack := most / 1_000_000
		assert.GreaterOrEqual(t, got, most/10-slack)
		assert.LessOrEqual(t, got-slack, most)
		assert.LessOrEqual(t, got, b.Max)
	})
}

func TestBackoffGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, failed, random := drawBackoff(t), drawFailed(t), drawRandom(t)
		more := failed + rapid.IntRange(0, min(manyFailures-failed, 100)).Draw(t, "more")
		assert.LessOrEqual(t, b.Delay(failed, random), b.Delay(more, random))
	})
}

func TestBackoffIsSpreadOverTheStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, failed := drawBackoff(t), drawFailed(t)
		low, high := drawRandom(t), drawRandom(t)
		if low > high {
			low, high = high, low
		}
		assert.LessOrEqual(t, b.Delay(failed, low), b.Delay(failed, high))
	})
}

func TestBackoffByExample(t *testing.T) {
	b := outbox.Backoff{First: 5 * time.Second, Max: time.Hour}
	almost := math.Nextafter(1, 0)
	for _, tt := range []struct {
		failed int
		random float64
		want   time.Duration
	}{
		{1, 0, 500 * time.Millisecond},
		{1, almost, 5 * time.Second},
		{2, 0, time.Second},
		{3, 0.5, 11 * time.Second},
		{10, almost, 2560 * time.Second},
		{11, almost, time.Hour},
		{11, 0, 6 * time.Minute},
		{0, 0, 500 * time.Millisecond},
		{-7, 0, 500 * time.Millisecond},
		{manyFailures, 0, 6 * time.Minute},
	} {
		got := b.Delay(tt.failed, tt.random)
		assert.InDelta(t, tt.want, got, float64(time.Microsecond), "after %d failures, random %v", tt.failed, tt.random)
	}
}
