package bolt

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

// A commit that found no room is tried again once some was made, and whoever waits for it doesn't notice. Where none can be
// made, it is ErrFull and the store goes on.
func TestRoomIsMade(t *testing.T) {
	var full, ballast bool
	asked := 0
	s := openAt(t, newPath(t), Options{
		Commit: func(commit func() error) error {
			if full {
				return syscall.ENOSPC
			}
			return commit()
		},
		MakeRoom: func() bool {
			asked++
			if !ballast {
				return false
			}
			full, ballast = false, false
			return true
		},
	})
	full, ballast = true, true
	assert.Equal(t, []bool{true}, add(t, s, "g", "with the ballast"))
	assert.Equal(t, 1, asked)

	full = true
	_, err := s.Commit(t.Context(), outbox.Tx{Group: "g", Add: []outbox.Item{{ID: "without it", Body: []byte("x")}}})
	require.ErrorIs(t, err, outbox.ErrFull)
	assert.False(t, errors.Is(err, outbox.ErrBroken))
	assert.Equal(t, 2, asked)
	full = false
	assert.Equal(t, []bool{true}, add(t, s, "g", "without it"))
}
