package configs

// checkPast looks at the names that destinations had, and at those that are gone.
func (l *loader) checkPast(c *Config) {
	now, past := map[string]int{}, map[string]int{}
	for i := range c.Destinations {
		now[c.Destinations[i].Name] = i
	}
	for i := range c.Destinations {
		was, at := c.Destinations[i].Was, child(item("destinations", i), "was")
		if !l.filled(at, was) {
			continue
		}
		l.checkName(at, was)
		if other, there := now[was]; there {
			l.errorf(at, "%q: %s has this name", was, item("destinations", other))
		}
		l.unique(past, was, "destinations", i, "was")
	}
	for i, name := range c.Retired {
		at := item("retired", i)
		l.checkName(at, name)
		if other, there := now[name]; there {
			l.errorf(at, "%q: %s has this name, and is not gone", name, item("destinations", other))
		}
		if other, there := past[name]; there {
			l.errorf(at, "%q: %s was this one, and takes what waits for it", name, item("destinations", other))
		}
	}
}
