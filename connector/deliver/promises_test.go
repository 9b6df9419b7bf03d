package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"wrapup/connector"
	"wrapup/connector/target"
)

// whimsical is a CRM that does whatever is drawn, and holds the lane to its promises: a request that may have taken effect
// is never sent again, or not once its time is over; no call is sent sooner than was asked, and no call is sent twice at a time.
type whimsical struct {
	mu     sync.Mutex
	draw   func(n int) int
	kind   bool                 // answers 200 from now on
	window time.Duration        // for so long a request may be sent again
	effect map[string]time.Time // since when it may have taken effect, by call
	until  map[string]time.Time
	busy   map[string]bool
	wrong  []string
}

func (w *whimsical) Do(ctx context.Context, _, url string, _ http.Header, _ []byte) (*target.Answer, error) {
	call := url[strings.LastIndexByte(url, '/')+1:]
	w.mu.Lock()
	defer w.mu.Unlock()
	fail := func(format string, a ...any) { w.wrong = append(w.wrong, call+": "+fmt.Sprintf(format, a...)) }
	since, before := w.effect[call]
	switch {
	case w.busy[call]:
		fail("sent while it was being sent")
	case before && time.Since(since) >= w.window:
		fail("sent again though it may have taken effect %s ago", time.Since(since))
	case time.Until(w.until[call]) > time.Microsecond: // times are kept to the microsecond
		fail("sent %s too soon", time.Until(w.until[call]))
	}
	w.busy[call] = true
	defer delete(w.busy, call)
	what, slow := 0, 0
	if !w.kind {
		what, slow = w.draw(12), w.draw(4)
	}
	if !before {
		w.effect[call] = time.Now() // as long as nobody knows better
	}
	none := func() {
		if !before {
			delete(w.effect, call)
		}
	}
	if slow == 0 {
		w.mu.Unlock()
		select {
		case <-time.After(20 * time.Second):
		case <-ctx.Done():
		}
		w.mu.Lock()
		if ctx.Err() != nil {
			return nil, &target.Error{Sent: true, Err: ctx.Err()}
		}
	}
	answer := func(code int, header ...string) (*target.Answer, error) {
		h := http.Header{}
		if len(header) > 0 {
			h.Set("Retry-After", header[0])
			var n int
			_, _ = fmt.Sscan(header[0], &n)
			w.until[call] = time.Now().Add(time.Duration(n) * time.Second)
		}
		if code >= 300 && code != 502 {
			none()
		}
		return &target.Answer{Status: code, Header: h}, nil
	}
	switch what {
	case 1:
		return answer(429, "40")
	case 2:
		return answer(503, "7200")
	case 3:
		return answer(500)
	case 4:
		return answer(401)
	case 5:
		return answer(403)
	case 6:
		return answer(404)
	case 7:
		return answer(400)
	case 8:
		return answer(502)
	case 9:
		return nil, &target.Error{Sent: true, Err: errors.New("reset")}
	case 10:
		none()
		return nil, &target.Error{Err: errors.New("refused")}
	case 11:
		none()
		return nil, &target.Error{Certificate: true, Err: errors.New("expired")}
	}
	return answer(200)
}

// Whatever a CRM does, and whenever the process ends, a step that must not be repeated is not, and each call comes to an end.
func TestPromises(t *testing.T) {
	const rounds, calls = 12, 12
	for range rounds {
		seed := rand.Uint64()
		virtual(t, fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			window := []time.Duration{0, 5 * time.Minute}[random.IntN(2)]
			mapping := []string{"", "rate: 1/s\n", "rate: 1/m\n", "brake: 100/h\n", "wait: 10s\n"}[random.IntN(5)] +
				fmt.Sprintf(`steps: [{name: log, path: "/calls/${call.call_id}", repeat: %s}]`, map[bool]string{true: "never", false: "5m"}[window == 0])
			type deed struct {
				after time.Duration
				what  int
			}
			deeds := make([]deed, 1+random.IntN(12))
			for i := range deeds {
				deeds[i] = deed{time.Duration(random.IntN(90)) * time.Second, random.IntN(6)}
			}
			concurrency := 1 + random.IntN(6)
			crm := &whimsical{draw: random.IntN, window: window, effect: map[string]time.Time{}, until: map[string]time.Time{}, busy: map[string]bool{}}
			b := newBench(t, yamlMapping(t, mapping), func(d *Destination) { d.Concurrency, d.Sender = concurrency, crm })
			for i := range calls {
				b.finish(fmt.Sprint("call", i))
			}
			for _, d := range deeds {
				time.Sleep(d.after)
				switch d.what {
				case 0, 1:
					b.kill()
					b.start()
				case 2:
					require.NoError(t, b.lane.Pause(t.Context(), "a person"))
				case 3:
					require.NoError(t, b.lane.Resume(t.Context()))
				}
			}
			crm.mu.Lock()
			crm.kind = true
			crm.mu.Unlock()
			require.NoError(t, b.lane.Resume(t.Context()))
			time.Sleep(8 * time.Hour)
			synctest.Wait()
			depth, err := b.store.Depth(t.Context(), "crm")
			require.NoError(t, err)
			assert.Zero(t, depth.Waiting, "each call comes to an end")
			crm.mu.Lock()
			defer crm.mu.Unlock()
			assert.Empty(t, crm.wrong)
			for i := range calls {
				call := fmt.Sprint("call", i)
				entries, err := b.store.Entries(t.Context(), connector.CallGroup(call))
				require.NoError(t, err)
				d, err := connector.DecodeDelivery(entries[0].Row("crm").Body)
				require.NoError(t, err)
				_, effect := crm.effect[call]
				switch d.State {
				case connector.DeliveryDone, connector.DeliveryParked:
					assert.True(t, effect, "%s is %s", call, d.State)
				case connector.DeliveryDead:
					assert.True(t, !effect || window > 0, call)
				default:
					assert.Fail(t, "it has not come to an end", "%s is %s: %s", call, d.State, d.Reason)
				}
			}
		})
	}
}
