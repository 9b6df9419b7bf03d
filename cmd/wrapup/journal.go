package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// journal writes lines as the journal of systemd reads them from standard error: each begins with its priority, as in "<4>", and
// has neither time nor level, which the journal has itself. See sd-daemon(3).
type journal struct {
	out  *journalOut
	text slog.Handler // writes to out
}

// journalOut puts the priority before a line. A handler writes each line with one call.
type journalOut struct {
	mu       sync.Mutex
	w        io.Writer
	priority int
}

// The priorities of syslog(3).
const (
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
	priorityDebug   = 7
)

func newJournal(w io.Writer, level slog.Leveler) slog.Handler {
	out := &journalOut{w: w}
	return journal{out: out, text: slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return escapedAttr(groups, a)
	}})}
}

// Write writes one line.
func (o *journalOut) Write(line []byte) (int, error) {
	prefixed := append([]byte("<"+strconv.Itoa(o.priority)+">"), line...)
	if _, err := o.w.Write(prefixed); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Enabled implements slog.Handler.
func (j journal) Enabled(ctx context.Context, l slog.Level) bool { return j.text.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	j.out.mu.Lock()
	defer j.out.mu.Unlock()
	switch {
	case r.Level >= slog.LevelError:
		j.out.priority = priorityError
	case r.Level >= slog.LevelWarn:
		j.out.priority = priorityWarning
	case r.Level >= slog.LevelInfo:
		j.out.priority = priorityInfo
	default:
		j.out.priority = priorityDebug
	}
	return j.text.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journal{out: j.out, text: j.text.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (j journal) WithGroup(name string) slog.Handler {
	return journal{out: j.out, text: j.text.WithGroup(name)}
}

// isJournal says that what is written there goes to the journal: systemd says in JOURNAL_STREAM which file that is. A process that
// was started by such a unit may have that variable and another standard error.
func isJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
