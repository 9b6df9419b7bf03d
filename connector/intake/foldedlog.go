package intake

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How many lines of one sort are logged in a window of time; the rest is counted, so that nobody can fill the disk by
// posting rubbish.
const (
	foldWindow = time.Minute
	foldLines  = 20
)

// foldedLog logs lines of one sort, a bounded number of them. How many were left out stands in the next line that is
// logged.
type foldedLog struct {
	logger *slog.Logger
	level  slog.Level

	mu      sync.Mutex
	since   time.Time // when the window began
	lines   int       // logged in the window
	leftOut int       // since the last line that was logged
}

func newFoldedLog(logger *slog.Logger, level slog.Level) *foldedLog {
	return &foldedLog{logger: logger, level: level}
}

// log logs the line, or counts it.
func (l *foldedLog) log(now time.Time, message string, attrs ...slog.Attr) {
	leftOut, ok := l.take(now)
	if !ok {
		return
	}
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out_before", leftOut))
	}
	l.logger.LogAttrs(context.Background(), l.level, message, attrs...)
}

// take says whether a line may be logged now, and how many were left out before it.
func (l *foldedLog) take(now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if passed := now.Sub(l.since); passed >= foldWindow || passed < 0 { // Less than zero: the clock was set back.
		l.since, l.lines = now, 0
	}
	if l.lines >= foldLines {
		l.leftOut++
		return 0, false
	}
	l.lines++
	leftOut, l.leftOut = l.leftOut, 0
	return leftOut, true
}
