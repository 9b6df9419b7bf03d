package bolt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
	"wrapup/outbox/outboxtest/disk"
)

// After a crash the file is read in one go, and not a page at a time as the scan for free pages comes to it.
func TestOpenAfterACrashReadsInOneGo(t *testing.T) {
	t.Parallel()
	d := newDistant(t)
	d.mount(disk.New())
	d.open()
	for i := range 30 {
		tx := outbox.Tx{Group: "g"}
		for j := range 20 {
			tx.Add = append(tx.Add, outbox.Item{ID: fmt.Sprint(i, " ", j), Body: make([]byte, 3000)})
		}
		d.fine(order{Commit: &tx})
	}
	crashed := disk.After(d.disk.Log())
	d.fine(order{Close: true})
	d.end()

	d.mount(crashed)
	defer func() { d.end() }()
	d.open()
	reads := crashed.Reads()
	d.fine(order{Close: true})
	t.Logf("the file of 600 pages and more was read in %d pieces", reads)
	require.Less(t, reads, 150)
}
