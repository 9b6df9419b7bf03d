package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
)

// A backup is taken while a call is open and another waits to be sent. Then the daemon sends both, and a third one that came
// later, and is killed; the backup is put back, and the dialer posts the third one again. All three finish, or go on, a second
// time. None is logged twice: where the CRM can be asked it is, where a key tells it is repeated, else it is parked. A call
// that begins only now is sent as ever.
func TestRestoredCallsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	crm, url := newLedger(t)
	s := newSite(t, strings.NewReplacer("settle: 300ms", "settle: 300ms, ring_timeout: 1s", "retry: {", "timeout: 1s, retry: {", "CRM", url).Replace(threeWays))
	for name, mapping := range threeMappings {
		s.write("mappings/"+name+".yaml", mapping)
	}
	ways := []string{"asked", "keyed", "once"}
	resume := func() {
		for _, way := range ways {
			s.succeeds("destinations", "resume", way)
		}
	}
	sent := func(calls ...string) func() bool {
		return func() bool {
			for _, id := range calls {
				for _, way := range ways {
					if crm.entries(way, id) == 0 {
						return false
					}
				}
			}
			return true
		}
	}
	s.start()
	for _, way := range ways {
		s.succeeds("destinations", "pause", way, "--reason", "until the backup is taken")
	}
	s.accepted(created("waits"))
	s.eventually("a call to wait", func() bool { return s.waiting() == len(ways) })
	s.accepted(created("open"))
	file := filepath.Join(s.dir, "backup.db")
	s.succeeds("backup", file)
	s.accepted(created("later"))
	resume()
	s.eventually("the first life to send them", sent("waits", "open", "later"))
	s.kill()

	require.NoError(t, os.Rename(file, filepath.Join(s.dir, "data", storeFile)))
	s.start()
	s.accepted(created("later"))
	s.kill() // what is known of the restore outlives a second start
	s.start()
	fresh := strings.Replace(created("fresh"), "1558677782655356", fmt.Sprint(time.Now().UnixMicro()), 1)
	s.accepted(fresh)
	resume()
	s.eventually("a new call to be sent", sent("fresh"))
	s.eventually("all to be settled", func() bool { return s.waiting() == 0 })
	assert.Contains(t, s.succeeds("deliveries", "list", "--state", "parked"), "the store was restored at")
	s.succeeds("audit")
	require.Zero(t, s.terminate())

	states := s.states()
	for _, id := range []string{"waits", "open", "later", "fresh"} {
		for _, way := range ways {
			assert.Equal(t, 1, crm.entries(way, id), "%s at %s", id, way)
			want := connector.DeliveryDone
			if way == "once" && id != "fresh" {
				want = connector.DeliveryParked
			}
			assert.Equal(t, want, states[id][way], "%s at %s", id, way)
		}
	}
}
