package deliver

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/outbox"
)

// What a person erases while it is being sent stays erased: the answer doesn't come back into the store.
func TestErasedWhileItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, recordMapping(t), nil)
		release := make(chan struct{})
		b.will(hang(release))
		ref := b.finish("a")
		require.Len(t, b.requests(), 1)

		entry, err := b.store.Entry(t.Context(), ref)
		require.NoError(t, err)
		row := entry.Row("crm")
		d, err := connector.DecodeDelivery(row.Body)
		require.NoError(t, err)
		d.Erase(connector.TimeOf(b.began))
		body, err := d.Encode()
		require.NoError(t, err)
		_, err = b.store.Commit(t.Context(), outbox.Tx{Put: []outbox.RowPut{{Ref: ref, Name: "crm", Prev: row.Version, Body: body}}})
		require.NoError(t, err)
		close(release)
		synctest.Wait()

		entry, err = b.store.Entry(t.Context(), ref)
		require.NoError(t, err)
		assert.Equal(t, string(body), string(entry.Row("crm").Body))
		depth, err := b.store.Depth(t.Context(), "crm")
		require.NoError(t, err)
		assert.Zero(t, depth.Waiting+depth.Buried, "its task is gone")
		assert.Len(t, b.requests(), 1)
	})
}
