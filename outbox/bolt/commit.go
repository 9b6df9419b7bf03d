package bolt

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"wrapup/outbox"
)

// request is what a caller wants to be committed.
type request struct {
	prepared
	move *move // none for a plain Commit
	// alone, if given, is all there is to the request, and nothing else is in its transaction.
	alone func(b *batch) error

	// The outcome.
	res outbox.Result
	err error
}

// move takes a task out of its place, and to another one unless it is done.
type move struct {
	task outbox.Task
	kind moveKind
	at   outbox.Key // without its sequence
}

type moveKind int

const (
	moveDone   moveKind = iota // due → gone
	moveRetry                  // due → due later
	moveBury                   // due → buried
	moveRevive                 // buried → due
)

// Commit applies the Tx. ctx counts only before the Tx is handed over: from then on there is an outcome, and Commit waits for it.
func (s *Store) Commit(ctx context.Context, tx outbox.Tx) (outbox.Result, error) {
	return s.submit(ctx, tx, nil)
}

// Settle ends a claim, see outbox.Store; ctx is as in Commit.
func (s *Store) Settle(ctx context.Context, task outbox.Task, outcome outbox.Outcome, tx outbox.Tx) error {
	if task.Buried {
		return fmt.Errorf("%w: a buried task can't be settled", outbox.ErrInvalid)
	}
	m := &move{task: task, at: taskKey(outcome.At(), 0)}
	switch outcome.Kind() {
	case outbox.KindDone:
		m.kind = moveDone
	case outbox.KindRetry:
		m.kind = moveRetry
	case outbox.KindBury:
		m.kind = moveBury
	default:
		return fmt.Errorf("%w: no outcome of kind %d", outbox.ErrInvalid, outcome.Kind())
	}
	_, err := s.submit(ctx, tx, m)
	return err
}

// Revive makes a buried task due again, see outbox.Store; ctx is as in Commit.
func (s *Store) Revive(ctx context.Context, buried outbox.Task, due time.Time, tx outbox.Tx) error {
	if !buried.Buried {
		return fmt.Errorf("%w: a task that is not buried can't be revived", outbox.ErrInvalid)
	}
	_, err := s.submit(ctx, tx, &move{task: buried, kind: moveRevive, at: taskKey(due, 0)})
	return err
}

func (s *Store) submit(ctx context.Context, tx outbox.Tx, m *move) (outbox.Result, error) {
	if s.readOnly {
		return outbox.Result{}, errReadOnly
	}
	if m != nil {
		if err := checkName("queue", m.task.Queue); err != nil {
			return outbox.Result{}, err
		}
	}
	if err := s.enter(ctx); err != nil {
		return outbox.Result{}, err
	}
	defer s.underway.Done()

	p, err := s.prepareTx(tx)
	if err != nil {
		return outbox.Result{}, err
	}
	r := &request{prepared: p, move: m}
	s.settle(r)
	return r.res, r.err
}

// write applies the requests in one transaction, and gives each its result. An error stands for all of them.
func (s *Store) write(requests []*request) error {
	select {
	case <-s.broken:
		return s.brokenBy
	default:
	}
	began := time.Now()
	for failed := map[*request]bool{}; ; {
		tx, err := s.db.Begin(true)
		if err != nil {
			return s.fail(fmt.Errorf("beginning a transaction: %w", err))
		}
		s.db.AllocSize = growth(tx.Size())
		b := newBatch(s, tx)
		half := b.applyAll(requests, failed)
		if half != nil {
			// It has its error, but a part of it is in the transaction: begin again without it.
			failed[half] = true
			if err := tx.Rollback(); err != nil {
				return s.fail(fmt.Errorf("rolling back: %w", err))
			}
			continue
		}
		if !b.dirty {
			// All of it was there already, and was durable before this began.
			if err := tx.Rollback(); err != nil {
				return s.fail(fmt.Errorf("rolling back: %w", err))
			}
			return nil
		}
		if err := b.finish(); err != nil {
			_ = tx.Rollback()
			return s.fail(err)
		}
		if err := s.persist(tx); errors.Is(err, outbox.ErrFull) && !errors.Is(err, outbox.ErrReadOnly) && s.room() {
			continue // nothing was changed: once more
		} else if err != nil {
			return err
		}
		// A crash here loses answers, not changes: callers repeat, and the repeats are recognised.
		b.publish()
		s.observe(len(requests), time.Since(began))
		return nil
	}
}

// persist commits, and judges a failure.
func (s *Store) persist(tx *bbolt.Tx) error {
	id := tx.ID()
	err := s.commit(tx.Commit)
	if err == nil {
		return nil
	}
	_ = tx.Rollback() // in case the commit was not tried; a failed one has ended the transaction itself
	refused := outbox.ErrFull
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
	case errors.Is(err, syscall.EROFS):
		refused = outbox.ErrReadOnly
	default:
		return s.fail(fmt.Errorf("committing: %w", err))
	}
	if s.newest() == id-1 {
		// bbolt writes its meta page last, and that is not there: what was written is on pages that are free.
		return fmt.Errorf("%w: %w", refused, err)
	}
	return s.fail(fmt.Errorf("committing: %w", err))
}

// newest gives the number of the last transaction that the file has; 0 if that can't be told.
func (s *Store) newest() int {
	tx, err := s.db.Begin(false)
	if err != nil {
		return 0
	}
	defer func() { _ = tx.Rollback() }()
	return tx.ID()
}

// fail breaks the store, for good. Only who commits calls it.
func (s *Store) fail(err error) error {
	s.brokenBy = fmt.Errorf("%w: %s: %w", outbox.ErrBroken, s.path, err)
	close(s.broken)
	s.log.Error("the store is broken", "path", s.path, "error", err)
	return s.brokenBy
}
