package configs

// leastStore is the smallest store there can be: what a busy hour needs, about.
const leastStore = Size(64 << 20)

// checkRetention checks what bounds the store.
func (l *loader) checkRetention(c *Config) {
	if at := "store.max_size"; l.given(at) && !l.isWrong(at) && c.Store.MaxSize < leastStore {
		l.errorf(at, "%s: expected at least %s", c.Store.MaxSize, leastStore)
	}
	l.positive("retention.quarantine", c.Retention.Quarantine)
	l.positive("retention.answers", c.Retention.Answers)
	const calls, late, age = "retention.calls", "correlation.late_window", "correlation.max_age"
	if l.isWrong(calls) || l.isWrong(late) || l.isWrong(age) {
		return
	}
	if c.Retention.Calls < c.Correlation.LateWindow+c.Correlation.MaxAge {
		at := calls
		if !l.given(at) { // then it is one of the others that was said
			if at = late; !l.given(at) {
				at = age
			}
		}
		l.errorf(at, "%s is %s, shorter than %s and %s together (%s): a straggler that comes in that time would find its call gone, and make a second one",
			calls, c.Retention.Calls, late, age, c.Correlation.LateWindow+c.Correlation.MaxAge)
	}
}
