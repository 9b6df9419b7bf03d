package mappings

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// bool reads true or false.
func (l *loader) bool(e entry) bool {
	if l.expect(e.value, e.path, yaml.ScalarNode) {
		if v, ok := scalar(e.value); ok {
			if b, isBool := v.(bool); isBool {
				return b
			}
		}
		l.problem(l.placeOf(e.value, e.path), "%s is true or false, not %q", e.name, e.value.Value)
	}
	return false
}

// literal reads a value of any shape without expressions.
func (l *loader) literal(n *yaml.Node, path string) any {
	before := len(l.problems)
	t := l.tree(n, path)
	if len(l.problems) > before {
		return nil
	}
	if !fixed(t) {
		l.problem(l.placeOf(n, path), "an expression can't stand here")
		return nil
	}
	v, err := t.render(nil)
	if err != nil {
		return nil
	}
	return v
}

// fixed says that a value holds no expression.
func fixed(t tree) bool {
	switch t := t.(type) {
	case templateTree:
		return false
	case *mapTree:
		for _, of := range t.of {
			if !fixed(of) {
				return false
			}
		}
		return t.only == nil
	case listTree:
		for _, item := range t.items {
			if !fixed(item) {
				return false
			}
		}
	}
	return true
}

// texts reads a list of words.
func (l *loader) texts(n *yaml.Node, path string) []*yaml.Node {
	if !l.expect(n, path, yaml.SequenceNode) {
		return nil
	}
	var list []*yaml.Node
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if s, ok := l.text(item, at); ok && s == "" {
			l.problem(l.placeOf(item, at), "this is empty")
		} else if ok {
			list = append(list, item)
		}
	}
	return list
}

// duration reads a time such as 90s, 1h30m or 2d.
func (l *loader) duration(e entry) time.Duration {
	s, ok := l.text(e.value, e.path)
	if !ok {
		return 0
	}
	d, ok := duration(s)
	if !ok || d < 0 {
		l.problem(l.placeOf(e.value, e.path), "%s is a time such as 30s, 5m, 24h or 2d, not %q", e.name, s)
	}
	return d
}

// rate reads how many in how much time: 15/s.
func (l *loader) rate(e entry) Rate {
	s, ok := l.text(e.value, e.path)
	if !ok {
		return Rate{}
	}
	count, per, _ := strings.Cut(s, "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[strings.TrimSpace(per)]
	if err != nil || n < 1 || n > 1_000_000 || unit == 0 {
		l.problem(l.placeOf(e.value, e.path), "%s is so many in some time, such as 15/s, 40/m, 60/h or 1000/d, not %q", e.name, s)
		return Rate{}
	}
	return Rate{N: n, Per: unit}
}

// duration reads a time such as 90s, 1h30m or 2d.
func duration(s string) (time.Duration, bool) {
	if days, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, false
		}
		total := time.Duration(n) * 24 * time.Hour
		if rest == "" {
			return total, true
		}
		more, ok := duration(rest)
		return total + more, ok
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}
