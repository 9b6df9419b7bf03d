package configs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSize(t *testing.T) {
	for text, bytes := range map[string]int64{
		"20GiB": 20 << 30, "512MiB": 512 << 20, "1KiB": 1024, "20GB": 20e9, "1TB": 1e12, "3 TiB": 3 << 40, "7B": 7, "0B": 0,
	} {
		s, err := ParseSize(text)
		require.NoError(t, err, text)
		assert.EqualValues(t, bytes, s, text)
		again, err := ParseSize(s.String())
		require.NoError(t, err, s.String())
		assert.Equal(t, s, again)
	}
	assert.Equal(t, "20GiB", Size(20<<30).String())
	assert.Equal(t, "500MB", Size(500e6).String())
	for _, text := range []string{"", "20", "GiB", "-1GiB", "1.5GiB", "20gib", "20 g", "9999999999TiB", "+1B", "1  B"} {
		_, err := ParseSize(text)
		assert.Error(t, err, text)
	}
}
