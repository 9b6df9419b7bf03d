package bolt

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/outbox"
)

func BenchmarkCommit(b *testing.B) {
	body := make([]byte, 600)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%dcallers", callers), func(b *testing.B) {
			s := openBench(b)
			spread(b, callers, func(i int) error {
				_, err := s.Commit(b.Context(), outbox.Tx{
					Group: fmt.Sprintf("5c6f5869-752d-46fd-8ac0-%012d", i/6),
					Add:   []outbox.Item{{ID: fmt.Sprint(i), Body: body}},
					Count: []outbox.Delta{{Day: 20000, Name: "events", N: 1}},
				})
				return err
			})
		})
	}
}

func BenchmarkClaimSettle(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("%dcallers", callers), func(b *testing.B) {
			s := openBench(b)
			var tx outbox.Tx
			for i := range b.N + 100_000 { // the queue is long when it ends, too
				tx.Enqueue = append(tx.Enqueue, outbox.NewTask{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: uint64(i + 1)}})
			}
			_, err := s.Commit(b.Context(), tx)
			require.NoError(b, err)
			b.ResetTimer()
			spread(b, callers, func(int) error {
				tasks, _, err := s.Claim(b.Context(), "q", t0, 1, outbox.OldestFirst)
				if err != nil {
					return err
				}
				return s.Settle(b.Context(), tasks[0], outbox.Done(), outbox.Tx{Count: []outbox.Delta{{Day: 20000, Name: "done", N: 1}}})
			})
		})
	}
}

// BenchmarkOpen opens a store of 100,000 open groups with 6 items each, and of a million tasks.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "wrapup.db")
	s, err := Open(path, Options{})
	require.NoError(b, err)
	body := make([]byte, 600)
	for i := range 1000 {
		var tasks []outbox.NewTask
		for n := range 1000 {
			tasks = append(tasks, outbox.NewTask{Queue: "q", Due: t0, Ref: outbox.Ref{Seq: uint64(i*1000 + n + 1)}})
		}
		_, err := s.Commit(b.Context(), outbox.Tx{Enqueue: tasks})
		require.NoError(b, err)
	}
	spreadOver(b, 512, 100_000, func(i int) error {
		var items []outbox.Item
		for n := range 6 {
			items = append(items, outbox.Item{ID: fmt.Sprint(n), Body: body})
		}
		_, err := s.Commit(b.Context(), outbox.Tx{Group: fmt.Sprintf("5c6f5869-752d-46fd-8ac0-%012d", i), Add: items})
		return err
	})
	require.NoError(b, s.Close())
	for b.Loop() {
		s, err := Open(path, Options{})
		require.NoError(b, err)
		b.StopTimer()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		items := s.items
		s.items = index{}
		_ = items.first[0]
		items = index{}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(before.HeapAlloc-after.HeapAlloc)/(1<<20), "index-MiB")
		require.NoError(b, s.Close())
		b.StartTimer()
	}
}

func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "wrapup.db"), Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return s
}

// spread has so many callers share b.N calls.
func spread(b *testing.B, callers int, call func(i int) error) {
	b.Helper()
	spreadOver(b, callers, b.N, call)
}

func spreadOver(b *testing.B, callers, n int, call func(i int) error) {
	b.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range callers {
		wg.Go(func() {
			for i := range next {
				if err := call(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
