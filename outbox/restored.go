package outbox

import "time"

// Restored says that a store was put back from a backup: what was done between Taken, when the backup was made, and At,
// when the store was opened after that, isn't in it. The zero value says that it never was; a zero Taken isn't known.
type Restored struct {
	Taken, At time.Time
}
