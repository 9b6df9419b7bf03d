package configs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercent(t *testing.T) {
	for n := range 101 {
		p, err := ParsePercent(Percent(n).String())
		require.NoError(t, err)
		require.Equal(t, Percent(n), p)
	}
	for _, text := range []string{"", "%", "50", "0.5", "101%", "-1%", "+1%", "50 %", "1.5%", "256%", "half"} {
		_, err := ParsePercent(text)
		assert.ErrorIs(t, err, errPercent, text)
	}
}
