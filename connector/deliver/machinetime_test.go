package deliver

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// machineTime gives a time as time.Now does outside of tests with virtual time: beside the time of day it has a monotonic
// reading, by which times are compared that have one, whatever the clock is set to. No function of package time makes one.
func machineTime(t *testing.T, wall time.Time, mono time.Duration) time.Time {
	out := wall
	parts := (*[2]uint64)(unsafe.Pointer(&out)) // see package time: a flag, seconds and nanoseconds; and the reading
	seconds := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	parts[0] = 1<<63 | uint64(seconds)<<30 | uint64(wall.Nanosecond())
	parts[1] = uint64(mono)
	require.True(t, out.Round(0).Equal(wall))
	require.Contains(t, out.String(), " m=") // it has a reading
	return out
}
