package main

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode/utf8"

	"wrapup/configs"
)

// newLogger makes the daemon's logger.
func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	return newLoggerAt(w, c.Format, logLevel(c))
}

func logLevel(c configs.Log) slog.Level {
	return map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[c.Level]
}

// newLoggerAt makes a logger whose level may change.
func newLoggerAt(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: escapedAttr}
	if format == "journald" || format == "auto" && isJournal(w) {
		return slog.New(newJournal(w, level))
	}
	if format == "json" || format == "auto" && !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// escapedAttr shows what is harmful in foreign text. A line of a log is one line whatever stands in it; but not every
// character that a terminal obeys is escaped in JSON.
func escapedAttr(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		text = v.String()
	case slog.KindAny:
		err, ok := v.Any().(error)
		if !ok {
			return a
		}
		text = err.Error()
	default:
		return a
	}
	if strings.ContainsFunc(text, harmful) || !utf8.ValidString(text) {
		return slog.String(a.Key, escaped(text))
	}
	return a
}

// isTerminal says that a person reads what is written there.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
