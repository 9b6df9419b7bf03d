package intake

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// A watch holds no more than its room, and says what it has let go.
func TestWatchIsBounded(t *testing.T) {
	w := NewWatch(time.Unix(0, 0))
	list, missed, more := w.Since(0)
	assert.Empty(t, list)
	assert.Zero(t, missed)
	long := strings.Repeat("é", watchedText)
	for range watched + 5 {
		w.note(connector.Received{Result: connector.ReceivedNew, UUID: long, Phone: "812345613"})
	}
	<-more
	list, missed, _ = w.Since(0)
	assert.EqualValues(t, 5, missed)
	require.Len(t, list, watchedChunk)
	assert.EqualValues(t, 6, list[0].Serial)
	assert.Less(t, len(list[0].UUID), watchedText+5)
	after := uint64(0)
	for n := 0; ; n += len(list) {
		if list, _, _ = w.Since(after); len(list) == 0 {
			assert.Equal(t, watched, n)
			break
		}
		after = list[len(list)-1].Serial
	}
	assert.Equal(t, watched, w.Forget(func(phone string) bool { return phone == "812345613" }))
	list, _, _ = w.Since(after - 1)
	assert.Empty(t, list[0].Phone)
}

// Strangers can't push out what the dialer sends.
func TestWatchFoldsRefusals(t *testing.T) {
	w := NewWatch(time.Unix(0, 0))
	w.note(connector.Received{Result: connector.ReceivedNew})
	for i := range 3 * watched {
		w.note(connector.Received{Result: connector.ReceivedRefused, At: connector.Time(i) * 1_000_000 / watched})
	}
	list, missed, _ := w.Since(0)
	assert.Zero(t, missed)
	require.Len(t, list, 1+3*refusedPerSecond)
	assert.Equal(t, connector.ReceivedNew, list[0].Result)
	assert.EqualValues(t, watched-refusedPerSecond, list[1+refusedPerSecond].More)
	assert.Zero(t, list[2+refusedPerSecond].More)
}

func TestMaskPhone(t *testing.T) {
	for number, want := range map[string]string{"+62 812-345-613": "+** ***-***-613", "613": "***", "": "", "1234": "*234", "anonymous": "*********"} {
		assert.Equal(t, want, connector.MaskPhone(number))
	}
}
