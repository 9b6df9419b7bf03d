package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/connector/simulate"
	"wrapup/outbox"
	"wrapup/outbox/bolt"
	"wrapup/outbox/outboxtest/disk"
)

// cutsVariable sets at how many moments the power is cut; "all" is at each. make test-long does.
const cutsVariable = "TEST_CUTS"

// someCuts is at how many it is cut without. The first ones, at which the store is made, are among them in any case.
const (
	someCuts  = 150
	firstCuts = 40
)

const noFUSE = "FUSE can't be mounted here; it takes /dev/fuse and root, or fusermount3 (package fuse3)"

// forgetful is a daemon on a disk that forgets what was not synced, and what it promised.
type forgetful struct {
	*site
	disk *disk.Disk
	crm  *sink
	mu   sync.Mutex
	// promised are the events that were answered with 200, and by which operation of the disk they were.
	promised []promise
}

type promise struct {
	Event string
	By    int
}

func newForgetful(t *testing.T, d *disk.Disk) *forgetful {
	t.Helper()
	crm := newSink(t)
	s := newSite(t, strings.Replace(config(crm.url()), "{settle: 500ms}", "{settle: 50ms}", 1))
	mounted := filepath.Join(s.dir, "disk")
	require.NoError(t, os.Mkdir(mounted, 0o700))
	unmount, err := d.Mount(mounted)
	if err != nil && os.Getenv("CI") == "" {
		t.Skipf("NOT TESTED: %s: %s", noFUSE, err)
	}
	require.NoError(t, err, noFUSE)
	t.Cleanup(func() {
		s.kill()
		assert.NoError(t, unmount())
	})
	fixed, err := os.ReadFile(s.config)
	require.NoError(t, err)
	s.write("wrapup.yaml", strings.Replace(string(fixed), s.dir+"/data\n", mounted+"/lib/data\n", 1))
	return &forgetful{site: s, disk: d, crm: crm}
}

// posts posts what there is, by several workers, and notes what was promised.
func (f *forgetful) posts(posts []simulate.Post) {
	f.t.Helper()
	var workers sync.WaitGroup
	next := make(chan []byte)
	for range 3 {
		workers.Go(func() {
			for body := range next {
				resp, err := http.Post(f.url(), "application/json", bytes.NewReader(body))
				if !assert.NoError(f.t, err) {
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				by := f.disk.Ops() // the answer was given before: from here on, at the latest, it binds
				if assert.Equal(f.t, http.StatusOK, resp.StatusCode) {
					f.mu.Lock()
					for _, event := range eventsOf(f.t, body) {
						f.promised = append(f.promised, promise{event, by})
					}
					f.mu.Unlock()
				}
			}
		})
	}
	for i := range posts {
		next <- posts[i].Body
	}
	close(next)
	workers.Wait()
}

// thousandEvents is a day with that many.
func thousandEvents(t *testing.T) []simulate.Post {
	o := simulate.Defaults()
	o.Calls, o.Seed = 300, 7
	plan := simulate.Generate(o)
	require.GreaterOrEqual(t, len(plan.Posts), 1000)
	return plan.Posts[:1000]
}

// At whatever moment the power is cut while a thousand events come in and the calls go out, and whatever of the unsynced is
// left: all that got 200 is there afterwards, and nothing is half there.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	f := newForgetful(t, disk.New())
	f.start()
	f.posts(thousandEvents(t))
	f.drained()
	require.Zero(t, f.terminate())
	log := f.disk.Log()
	kinds := map[string]int{}
	for i := range log {
		kinds[log[i].Kind.String()]++
	}

	images := 0
	finder := newFinder(t, f.promised)
	at := cutsAt(t, log)
	for n, moment := range log.Cuts() {
		if !at[n] {
			continue
		}
		for i := range len(disk.Survivals()) * chancesAt(n) {
			survival := disk.Survivals()[i%len(disk.Survivals())]
			images++
			if wrong := finder.find(n, i, moment, survival); !assert.Empty(t, wrong, "the power was cut after operation %d of %d, and %s survived of what was not synced", n, len(log), survival) {
				t.Logf("the last operations: %s", recounted(log[max(0, n-12):n]))
				return
			}
		}
	}
	t.Logf("%d events got 200, by %d operations on the disk %v; the power was cut at %d moments, %d disks were read", 1000, len(log), kinds, len(at), images)

	// The same without a sync: each kind of them matters, or what was shown above shows nothing.
	for _, tt := range []struct {
		what  string
		syncs []int
		times int
	}{
		{"any sync", log.Syncs(), 1},
		{"the sync of the folder", ofFolder(log, true), 1},
		{"a sync of the file", afterWrites(log, ofFolder(log, false)), 2},
	} {
		for i := range tt.times {
			without := tt.syncs
			if tt.times > 1 {
				without = []int{tt.syncs[len(tt.syncs)*(i+1)/(tt.times+1)]}
			}
			worse := log.Without(without...)
			found := f.find(worse, without)
			assert.NotEmpty(t, found, "without %s (operation %d) nothing was lost", tt.what, without[0])
			t.Logf("without %s (operation %d): %s", tt.what, without[0], firstLine(found))
		}
	}
}

// find looks for a moment of a log without some syncs at which something is lost, near the first of those.
func (f *forgetful) find(log disk.Log, without []int) (wrong string) {
	promised := slices.Clone(f.promised)
	for i := range promised {
		by := promised[i].By
		for _, at := range without {
			if at < by {
				promised[i].By--
			}
		}
	}
	finder := newFinder(f.t, promised)
	for n, moment := range log.Cuts() {
		near := n >= without[0]-3 && n <= without[0]+40
		if len(without) > 1 || without[0] < 100 {
			near = n%(len(log)/40) == 0
		}
		if !near {
			continue
		}
		tries := 3
		if n >= without[0] && n <= without[0]+3 {
			tries = 30 // what was written after the missing sync must survive, and something from before it must not
		}
		for i := range tries {
			survival := disk.Some
			if i == 0 {
				survival = disk.Nothing
			}
			if wrong = finder.find(n, i, moment, survival); wrong != "" {
				return wrong
			}
		}
	}
	return ""
}

// ofFolder gives the syncs that are of folders, or those that are of files.
func ofFolder(log disk.Log, folder bool) (at []int) {
	folders := map[int]bool{0: true}
	for i := range log {
		if log[i].Kind == disk.Mkdir {
			folders[log[i].Child] = true
		}
	}
	for _, i := range log.Syncs() {
		if folders[log[i].Node] == folder {
			at = append(at, i)
		}
	}
	return at
}

// chancesAt is how often each kind of survival is tried.
func chancesAt(n int) int {
	if n < firstCuts {
		return 2
	}
	return 1
}

// afterWrites leaves out the syncs that make a file's growth durable: what is written there is synced again.
func afterWrites(log disk.Log, syncs []int) (at []int) {
	for _, i := range syncs {
		if log[i-1].Kind == disk.Write {
			at = append(at, i)
		}
	}
	return at
}

func recounted(log disk.Log) string {
	var b strings.Builder
	for i := range log {
		op := &log[i]
		fmt.Fprintf(&b, "\n  %s node %d", op.Kind, op.Node)
		switch op.Kind {
		case disk.Write:
			fmt.Fprintf(&b, " %d bytes at %d", len(op.Data), op.Offset)
		case disk.Truncate:
			fmt.Fprintf(&b, " to %d", op.Size)
		case disk.Create, disk.Mkdir, disk.Remove, disk.Rename:
			fmt.Fprintf(&b, " %s %s", op.Name, op.To)
		case disk.Sync:
		}
	}
	return b.String()
}

// cutsAt says at which moments the power is cut: at each of the first ones, in which the store is made, and then here and
// there, or everywhere.
func cutsAt(t *testing.T, log disk.Log) map[int]bool {
	t.Helper()
	at := map[int]bool{}
	cuts, first := someCuts, firstCuts
	if v := os.Getenv(cutsVariable); v == "all" {
		cuts, first = len(log)+1, len(log)
	} else if v != "" {
		var err error
		cuts, err = strconv.Atoi(v)
		require.NoError(t, err, cutsVariable)
	}
	for n := range min(first, cuts, len(log)+1) {
		at[n] = true
	}
	for len(at) < min(cuts, len(log)+1) {
		at[rand.IntN(len(log)+1)] = true
	}
	return at
}

// finder looks for what is wrong with a disk after a power cut. It does so in a process of its own, for a damaged file can
// end the process that reads it.
type finder struct {
	t        *testing.T
	dir      string
	promised string // the file with the promises
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	errs     *logs
}

func newFinder(t *testing.T, promised []promise) *finder {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "wrapup")
	require.NoError(t, err)
	f := &finder{t: t, dir: dir, promised: filepath.Join(dir, "promised.json")}
	t.Cleanup(func() {
		f.end()
		assert.NoError(t, os.RemoveAll(dir))
	})
	content, err := json.Marshal(promised)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.promised, content, 0o600))
	return f
}

// memory is a folder in memory, if there is one: thousands of disks are written there.
func memory() string {
	if _, err := os.Stat("/dev/shm"); err == nil {
		return "/dev/shm"
	}
	return ""
}

func (f *finder) start() {
	f.t.Helper()
	f.cmd = exec.Command(os.Args[0], f.promised)
	f.cmd.Env = append(os.Environ(), "BE_FINDER=1", "GORACE=atexit_sleep_ms=0")
	f.errs = &logs{}
	f.cmd.Stderr = f.errs
	out, err := f.cmd.StdoutPipe()
	require.NoError(f.t, err)
	f.in, err = f.cmd.StdinPipe()
	require.NoError(f.t, err)
	f.out = bufio.NewReader(out)
	require.NoError(f.t, f.cmd.Start())
}

func (f *finder) end() {
	if f.cmd != nil {
		_ = f.in.Close()
		_ = f.cmd.Wait()
		f.cmd = nil
	}
}

// find says what is wrong after a power cut at that moment, or "". What survives of a kind may differ from try to try.
func (f *finder) find(n, try int, m *disk.Moment, s disk.Survival) string {
	f.t.Helper()
	image := filepath.Join(f.dir, "image")
	require.NoError(f.t, os.RemoveAll(image))
	require.NoError(f.t, m.Write(image, s, rand.New(rand.NewPCG(uint64(n), uint64(try)))))
	if f.cmd == nil {
		f.start()
	}
	_, err := fmt.Fprintln(f.in, n, filepath.Join(image, "lib", "data"))
	if err == nil {
		var line string
		if line, err = f.out.ReadString('\n'); err == nil {
			var wrong string
			require.NoError(f.t, json.Unmarshal([]byte(line), &wrong))
			return wrong
		}
	}
	f.end()
	return "reading it ends the process: " + firstLine(f.errs.String())
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// beFinder answers what is asked on the standard input: a number of operations, and the data folder as it is after them.
func beFinder() error {
	var promised []promise
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, &promised); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		number, dir, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		wrong := ""
		if err := checkAfterCut(context.Background(), dir, promised, n); err != nil {
			wrong = err.Error()
		}
		if err := json.NewEncoder(os.Stdout).Encode(wrong); err != nil {
			return err
		}
	}
	return lines.Err()
}

// checkAfterCut starts with the data folder as a daemon does, and says what is not as it has to be.
func checkAfterCut(ctx context.Context, dir string, promised []promise, n int) (err error) {
	if err := makeFolder(dir, storeFile); err != nil {
		return err
	}
	store, err := bolt.Open(filepath.Join(dir, storeFile), bolt.Options{})
	if err != nil {
		return err
	}
	kept, err := checkStore(ctx, store)
	if err := store.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	for _, p := range promised {
		if p.By <= n && !kept[p.Event] {
			return fmt.Errorf("%s is lost: it got 200 by operation %d", p.Event, p.By)
		}
	}
	known := map[string]bool{}
	for _, p := range promised {
		known[p.Event] = true
	}
	for event := range kept {
		if !known[event] {
			return fmt.Errorf("%s was never posted", event)
		}
	}
	return checkPages(filepath.Join(dir, storeFile))
}

// checkStore reads all there is: the counters hold, and each delivery that waits has its one task.
func checkStore(ctx context.Context, store *bolt.Store) (map[string]bool, error) {
	kept, err := keptEvents(ctx, store)
	if err != nil {
		return nil, err
	}
	source := admin.Source{Store: store}
	days, err := source.Days(ctx)
	if err != nil {
		return nil, err
	}
	for _, day := range days {
		audit, err := source.Audit(ctx, day)
		if err != nil {
			return nil, err
		}
		if len(audit.Gaps) > 0 {
			return nil, fmt.Errorf("the sum of %s doesn't hold: %s", day, strings.Join(audit.Gaps, "; "))
		}
	}
	waiting := map[string]bool{}
	err = eachEntry(ctx, store, func(e *outbox.Entry) error {
		for _, row := range e.Rows {
			d, err := connector.DecodeDelivery(row.Body)
			if err != nil {
				return err
			}
			if d.State == connector.DeliveryWaiting {
				waiting[fmt.Sprint(row.Name, e.Ref)] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	queues, err := store.Queues(ctx)
	if err != nil {
		return nil, err
	}
	for _, queue := range queues {
		tasks, err := store.Tasks(ctx, queue, false, outbox.Key{}, 1<<20)
		if err != nil {
			return nil, err
		}
		depth, err := store.Depth(ctx, queue)
		if err != nil {
			return nil, err
		}
		if depth.Waiting != len(tasks) {
			return nil, fmt.Errorf("%d tasks were counted, and there are %d", depth.Waiting, len(tasks))
		}
		for _, task := range tasks {
			name := fmt.Sprint(queue, task.Ref)
			if !waiting[name] {
				return nil, fmt.Errorf("a task is about %s, which doesn't wait", name)
			}
			delete(waiting, name)
		}
	}
	for name := range waiting {
		return nil, fmt.Errorf("%s waits and has no task", name)
	}
	return kept, nil
}

// checkPages looks for pages of the file that are reached twice, or not at all.
func checkPages(path string) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() { // it ends when all was read
			if first == nil {
				first = err
			}
		}
		return first
	})
}
