package deliver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"wrapup/connector"
	"wrapup/connector/target"
	"wrapup/mappings"
	"wrapup/outbox"
)

// Store is what a lane needs of an outbox.Store.
type Store interface {
	Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error)
	Claim(ctx context.Context, queue string, now time.Time, limit int, order outbox.Order) ([]outbox.Task, time.Time, error)
	Settle(ctx context.Context, task outbox.Task, outcome outbox.Outcome, tx outbox.Tx) error
	Release(task outbox.Task)
	Ready(queue string) <-chan struct{}
	Entry(ctx context.Context, ref outbox.Ref) (outbox.Entry, error)
	Depth(ctx context.Context, queue string) (outbox.Depth, error)
	Hasten(ctx context.Context, queue string, beyond, due time.Time) (int, error)
}

// Sender sends one request; a *target.Client does. Its error is a *target.Error.
type Sender interface {
	Do(ctx context.Context, method, url string, header http.Header, body []byte) (*target.Answer, error)
}

// Destination is where a lane delivers to, and how.
type Destination struct {
	Name string
	// Mapping is the one to begin with, see Lane.SetMapping.
	Mapping *mappings.Mapping
	Sender  Sender
	// NewestFirst is the share of claims, in percent, that take the newest call that is due; the others take the oldest.
	NewestFirst int
	// Concurrency is how many calls are sent at the same time.
	Concurrency int
	Backoff     outbox.Backoff
	// GiveUpAfter is how long after its first failure a delivery is tried again.
	GiveUpAfter time.Duration
	// RetryUnsure sends again what may have been delivered and must not be repeated, at the risk of a second log entry; else
	// it is parked.
	RetryUnsure bool
	// Timeout of one request: a lookup that finds what was sent is not asked sooner than that after its answer was lost, for
	// the CRM may still be at it.
	Timeout time.Duration
	// Probe is how often a paused destination is tried. 0 is 30 s.
	Probe time.Duration
	// Tokens gives access tokens, if the mapping needs them, and TokenStore keeps what must not be forgotten about them.
	Tokens     Tokens
	TokenStore *TokenStore
	// Secrets are kept out of what is stored and shown.
	Secrets []string
	// SecretURL says that the address itself is a secret, so that it is neither stored nor logged.
	SecretURL bool
}

// Observer is told what a lane does. Its methods may be called by several goroutines at once, and must not block.
type Observer interface {
	// Attempted tells of a request: the verdict on its answer, in the words of an attempt, and how long it took.
	Attempted(destination, verdict string, took time.Duration)
	// Settled tells of a delivery that was settled: the state that it is in now. Of one that is done, since is how long it is
	// since the newest event came that the record was made of; else it is 0.
	Settled(destination string, state connector.DeliveryState, since time.Duration)
}

// unobserved is an Observer that nobody listens to.
type unobserved struct{}

func (unobserved) Attempted(string, string, time.Duration)                {}
func (unobserved) Settled(string, connector.DeliveryState, time.Duration) {}

// Options of a Lane.
type Options struct {
	Destination Destination
	Store       Store
	// Now is the time of day, Random a number in [0, 1).
	Now    func() time.Time
	Random func() float64
	Logger *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Restored says whether the store was put back from a backup: a call of before may have been sent since that was taken.
	Restored outbox.Restored
	// Grace is how long requests that are under way may take to complete once the lane is told to stop.
	Grace time.Duration
}

// Lane delivers to one destination.
type Lane struct {
	// Name of the destination.
	Name   string
	store  Store
	now    func() time.Time
	random func() float64
	log    *slog.Logger
	watch  Observer
	grace  time.Duration

	// started is when the lane was made, by the time of day alone, for it is compared with times that were stored: what was
	// due before that may have been sent by a process that is gone.
	started  time.Time
	restored outbox.Restored
	gate     gate
	woken    chan struct{} // something changed that the lane may be waiting for
	// turn adds up NewestFirst: a claim that makes it a hundred takes the newest call.
	turn   int
	flow   flow
	limits limits
	holds  holds
	// renewals are of tokens that were refused.
	renewals renewals
	// changing is held by whoever replaces the setup.
	changing sync.Mutex
	current  atomic.Pointer[setup]
	// stopping ends when the lane is told to stop: whoever waits for his turn then waits no longer.
	stopping context.Context
}

const defaultProbe = 30 * time.Second

// New makes a Lane; Run makes it work.
func New(o Options) *Lane {
	l := &Lane{
		Name: o.Destination.Name, store: o.Store, now: o.Now, random: o.Random, grace: o.Grace,
		log:     o.Logger.With("destination", o.Destination.Name),
		started: o.Now().Round(0), restored: o.Restored, woken: make(chan struct{}, 1),
		flow:   flow{begun: o.Now()},
		limits: limits{all: limiter(o.Destination.Mapping.Rate()), steps: map[string]*rate.Limiter{}},
	}
	if l.watch = o.Observer; l.watch == nil {
		l.watch = unobserved{}
	}
	s := newSetup(o.Destination)
	l.gate.probe, l.gate.brake = s.Probe, s.Mapping.Brake()
	l.current.Store(s)
	return l
}

// How long a lane waits before it asks a store again that couldn't be read or written.
const (
	storePause    = 100 * time.Millisecond
	storePauseMax = 5 * time.Second
)

// Run delivers until ctx ends. Then nothing new is begun, and what is under way is completed within the grace, or given
// back as if it had not been tried. It returns an error only if the store is broken.
func (l *Lane) Run(ctx context.Context) error {
	l.stopping = ctx
	sends, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(l.grace, abort) })
	defer stop()

	var (
		working sync.WaitGroup
		busy    atomic.Int64
		freed   = make(chan struct{}, 1) // a worker ended since the last look at busy
		broken  = make(chan error, 1)    // the first one counts
	)
	// Workers stay, for a stack that has grown once is worth keeping; there are never more than were busy at a time.
	type job struct {
		task  outbox.Task
		probe bool
	}
	jobs, workers := make(chan job), 0
	work := func(j job) {
		told, released, err := l.deliver(sends, j.task, j.probe)
		if err != nil {
			signal(broken, err)
		}
		if j.probe {
			l.gate.probed(l.now(), told)
		}
		if paused, _, _ := l.gate.state(); released || j.probe || paused != "" {
			l.poke()
		}
		busy.Add(-1)
		signal(freed, struct{}{})
	}
	defer func() {
		close(jobs)
		working.Wait()
	}()
	if err := l.clamp(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	clamps := time.NewTicker(clampEvery)
	defer clamps.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case <-clamps.C:
			if err := l.clamp(ctx); err != nil {
				return err
			}
		default:
		}
		if busy.Load() >= int64(l.current.Load().Concurrency) {
			select {
			case <-ctx.Done():
			case err := <-broken:
				return err
			case <-freed:
			case <-l.woken: // there may be room for more now
			}
			continue
		}
		task, probe, wait, err := l.claim(ctx)
		if err != nil && errors.Is(err, outbox.ErrBroken) {
			return err
		}
		if task != nil {
			next := job{*task, probe}
			if int64(workers) > busy.Add(1)-1 {
				jobs <- next // one of them waits for it, or will in a moment
				continue
			}
			workers++
			working.Go(func() {
				work(next)
				for j := range jobs {
					work(j)
				}
			})
			continue
		}
		if err != nil {
			l.log.Error("deliveries can't be claimed; they are tried again", "error", err)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			return err
		case <-l.store.Ready(l.Name):
		case <-l.woken:
		case <-timer.C:
		case <-clamps.C:
			if err := l.clamp(ctx); err != nil {
				return err
			}
		}
	}
}

// signal puts a value into a channel that has room for one, unless one is there already.
func signal[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}

// claim takes one delivery that is due, or says how long until there is one.
func (l *Lane) claim(ctx context.Context) (task *outbox.Task, probe bool, wait time.Duration, err error) {
	now := l.now()
	if wait := l.gate.wait(now); wait > 0 {
		return nil, false, wait, nil
	}
	// A share of the claims takes the freshest call: after an outage sales sees today's calls while yesterday's are caught
	// up. But each probe is another call.
	order := outbox.OldestFirst
	if paused, _, _ := l.gate.state(); paused == "" {
		if l.turn += l.current.Load().NewestFirst; l.turn >= 100 {
			order, l.turn = outbox.NewestFirst, l.turn-100
		}
	}
	tasks, next, err := l.store.Claim(ctx, l.Name, now, 1, order)
	switch {
	case err != nil:
		return nil, false, storePauseMax, err
	case len(tasks) > 0:
		return &tasks[0], l.gate.take(now), 0, nil
	case next.IsZero():
		return nil, false, time.Hour, nil
	default:
		// A minute at most: should the clock be set meanwhile, forward or back, nothing waits for long.
		return nil, false, min(max(next.Sub(now), time.Millisecond), clampEvery), nil
	}
}
