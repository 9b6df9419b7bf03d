package admin

import (
	"fmt"
	"time"

	"wrapup/outbox"
)

// formatTask names a task of a queue for those outside.
func formatTask(t outbox.Task) string {
	kind := 'w'
	if t.Buried {
		kind = 'b'
	}
	return fmt.Sprintf("%c%x.%d.%d.%d", kind, t.Key[:], t.Due.UnixMicro(), t.Ref.Day, t.Ref.Seq)
}

// parseTask reads what formatTask gives.
func parseTask(queue, s string) (outbox.Task, error) {
	t := outbox.Task{Queue: queue}
	var (
		kind rune
		key  []byte
		due  int64
	)
	_, err := fmt.Sscanf(s, "%c%x.%d.%d.%d", &kind, &key, &due, &t.Ref.Day, &t.Ref.Seq)
	if err != nil || len(key) != len(t.Key) || kind != 'w' && kind != 'b' {
		return outbox.Task{}, BadRequest(fmt.Sprintf("task %q: expected what a list gave", s))
	}
	t.Key, t.Due, t.Buried = outbox.Key(key), time.UnixMicro(due).UTC(), kind == 'b'
	return t, nil
}
