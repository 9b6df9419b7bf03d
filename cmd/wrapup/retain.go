package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/deliver"
	"wrapup/connector/finish"
	"wrapup/outbox"
)

const (
	// retainEvery is how often it is looked for what is too old, the first time that long after the start.
	retainEvery = 10 * time.Minute
	// Between two steps it rests, so that whoever commits hardly notices.
	retainPause = 50 * time.Millisecond
	retainStep  = 500
	// clockSlack is by how much the clock may have run otherwise than time between two looks: it is set right now and then.
	clockSlack = time.Minute
)

// retention drops what is too old, at a quiet pace.
type retention struct {
	store          outbox.Store
	clock          finish.Clock
	log            *slog.Logger
	calls, answers time.Duration
	every          time.Duration

	wall time.Time     // at the last look
	mono time.Duration // likewise
}

func newRetention(store outbox.Store, clock finish.Clock, c *configs.Retention, log *slog.Logger) *retention {
	return &retention{store: store, clock: clock, log: log, calls: time.Duration(c.Calls), answers: time.Duration(c.Answers), every: retainEvery,
		wall: clock.Wall(), mono: clock.Mono()}
}

// run drops until ctx ends. Only a broken store is an error.
func (r *retention) run(ctx context.Context) error {
	t := time.NewTicker(r.every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		err := r.look(ctx)
		switch {
		case errors.Is(err, outbox.ErrBroken):
			return err
		case err != nil && ctx.Err() == nil:
			r.log.Error("what is too old can't be dropped; it is tried again", "error", err)
		}
	}
}

// look drops what is too old now. What a wrong clock takes for old must not be lost for it: if the clock jumped since the
// last look nothing is dropped, and the next look decides.
func (r *retention) look(ctx context.Context) error {
	wall, mono := r.clock.Wall(), r.clock.Mono()
	jumped := wall.Sub(r.wall) - (mono - r.mono)
	r.wall, r.mono = wall, mono
	if jumped.Abs() > clockSlack {
		r.log.Warn("the clock was set: nothing is dropped for its age for now", "by", jumped.Round(time.Second).String())
		return nil
	}
	if err := r.dropDays(ctx, outbox.DayOf(wall.Add(-r.calls))); err != nil {
		return err
	}
	return r.dropAnswers(ctx, outbox.DayOf(wall.Add(-r.answers)))
}

func (r *retention) dropDays(ctx context.Context, before outbox.Day) error {
	var buried int
	for {
		e, err := r.store.Expire(ctx, before, retainStep)
		if err != nil {
			return err
		}
		for _, day := range e.Days {
			r.log.Info("a day's calls are dropped: they are older than retention.calls", "day", day.String())
		}
		if len(e.Kept) > 0 {
			r.log.Warn("days older than retention.calls are kept: deliveries of them wait", "days", len(e.Kept), "oldest", e.Kept[0].String())
		}
		if buried += e.Buried; !e.More {
			break
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
	if buried > 0 {
		r.log.Warn("deliveries that were dead or parked were dropped with their days", "count", buried)
	}
	return nil
}

// dropAnswers goes through the days that it hasn't gone through yet. A crash on the way begins the day anew.
func (r *retention) dropAnswers(ctx context.Context, before outbox.Day) error {
	days, err := r.store.Days(ctx)
	if err != nil {
		return err
	}
	for _, day := range days {
		if day >= before {
			break
		}
		counts, err := r.store.Counts(ctx, day)
		if errors.Is(err, outbox.ErrDamaged) || err == nil && counts[connector.CountAnswersDropped] > 0 {
			continue
		}
		if err != nil {
			return err
		}
		more := true
		for after := uint64(0); more; {
			if after, more, err = deliver.DropAnswers(ctx, r.store, day, after, retainStep/5); err != nil {
				return err
			}
			if err := rest(ctx); err != nil {
				return err
			}
		}
		if _, err := r.store.Commit(ctx, outbox.Tx{Count: []outbox.Delta{{Day: day, Name: connector.CountAnswersDropped, N: 1}}}); err != nil {
			return err
		}
	}
	return nil
}

// rest waits a little, or until ctx ends.
func rest(ctx context.Context) error {
	select {
	case <-time.After(retainPause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
