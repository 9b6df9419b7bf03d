package configs

import (
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on a machine that has no list of them

	"github.com/nyaruka/phonenumbers"

	"wrapup/mappings/source"
)

// check reports what each value can't show by itself, and what doesn't hang together.
func (l *loader) check(c *Config) {
	if c.Version != 1 {
		l.errorf("version", "%d: this version of wrapup reads 1", c.Version)
	}
	l.checkAddress("listen", c.Listen)
	l.checkTLS(&c.TLS)
	l.checkProxies(c.TrustedProxies)
	l.checkRetention(c)
	l.required("data_dir", c.DataDir)
	if l.required("admin.socket", c.Admin.Socket) && len(c.Admin.Socket) > 107 {
		l.errorf("admin.socket", "longer than the 107 bytes that the system allows")
	}
	if l.filled("admin.listen", c.Admin.Listen) {
		l.checkAddress("admin.listen", c.Admin.Listen)
	}
	l.checkSources(c.Sources)
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		l.checkQueue(child("queues", name), name, c.Queues[name])
	}
	l.checkCorrelation(&c.Correlation)
	l.checkDestinations(c.Destinations)
	l.checkPast(c)
}

// required says whether there is a text, and reports it if not.
func (l *loader) required(path, text string) bool {
	switch {
	case text != "":
		return true
	case l.given(path):
		l.errorf(path, "is empty")
	default:
		l.errorf(path, "is missing")
	}
	return false
}

func (l *loader) checkAddress(at, address string) {
	_, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
		l.errorf(at, `%q: expected host:port or :port, such as ":8080"`, address)
	}
}

func (l *loader) checkSources(sources []Source) {
	if len(sources) == 0 {
		l.errorf("sources", "none: the dialer would have nowhere to post to")
	}
	names, paths := map[string]int{}, map[string]int{}
	for i := range sources {
		s, at := &sources[i], item("sources", i)
		l.required(child(at, "kind"), s.Kind)
		if s.Name == "" && !l.given(child(at, "name")) {
			s.Name = s.Kind
		} else {
			l.required(child(at, "name"), s.Name)
		}
		l.unique(names, s.Name, "sources", i, "name")
		if l.checkPath(child(at, "path"), s.Path) {
			l.unique(paths, s.Path, "sources", i, "path")
		}
		l.checkSourceAuth(child(at, "auth"), s.Auth)
		l.checkExpect(child(at, "expect"), s.Expect)
	}
}

// unique reports a value that another item of a list has already.
func (l *loader) unique(seen map[string]int, value, list string, i int, key string) {
	if value == "" {
		return
	}
	if first, ok := seen[value]; ok {
		l.errorf(child(item(list, i), key), "%q: %s has this %s already", value, item(list, first), key)
		return
	}
	seen[value] = i
}

// checkPath says whether dialers can post to the path as it is written.
func (l *loader) checkPath(at, p string) bool {
	readable := !strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`?#%\`, r) })
	if strings.HasPrefix(p, "/") && path.Clean(p) == p && readable {
		return true
	}
	l.errorf(at, "%q: expected a path such as /callbacks/nxcloud/events", p)
	return false
}

func (l *loader) checkQueue(at, name string, q Queue) {
	if name == "" {
		l.errorf(at, `expected an access number as the key, or "default"`)
	}
	if region := child(at, "region"); l.filled(region, q.Region) {
		upper := strings.ToUpper(q.Region)
		if code := phonenumbers.GetCountryCodeForRegion(upper); code == 0 || upper != q.Region {
			l.errorf(region, "%q: expected the two capital letters of a country, such as ID%s", q.Region, meantRegion(upper, code))
		}
	}
	if zone := child(at, "zone"); l.filled(zone, q.Zone) {
		l.checkZone(zone, q.Zone)
	}
}

func (l *loader) checkZone(at, zone string) {
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		l.errorf(at, "%q: expected a time zone such as Asia/Jakarta", zone)
	}
}

func (l *loader) checkExpect(at string, e *Expect) {
	if e == nil {
		return
	}
	l.required(child(at, "hours"), e.Hours.String())
	if zone := child(at, "zone"); l.required(zone, e.Zone) {
		l.checkZone(zone, e.Zone)
	}
	l.positive(child(at, "within"), e.Within)
	for _, s := range e.Hours.spans {
		if long := Duration(time.Duration(s.to-s.from) * time.Minute); e.Within >= long {
			l.errorf(child(at, "within"), "%s: the hours are no longer than %s, so that silence would never be noticed", e.Within, long)
		}
	}
}

// filled says whether there is a text to check, and reports one that was given and is empty.
func (l *loader) filled(path, text string) bool {
	return text != "" || l.given(path) && l.required(path, text)
}

// meantRegion suggests a country for what isn't one, given in capital letters with its country code, 0 if it has none.
func meantRegion(upper string, code int) string {
	if code == 0 && upper == "UK" {
		upper, code = "GB", 44
	}
	if code == 0 {
		return ""
	}
	return source.Suggest(strings.ToLower(upper), []string{upper})
}

func (l *loader) checkCorrelation(c *Correlation) {
	l.positive("correlation.ring_timeout", c.RingTimeout)
	l.positive("correlation.max_age", c.MaxAge)
	l.notAbove("correlation.settle", c.Settle, "correlation.max_age", c.MaxAge)
	l.notAbove("correlation.ring_timeout", c.RingTimeout, "correlation.max_age", c.MaxAge)
}

func (l *loader) positive(path string, d Duration) {
	if d <= 0 {
		l.errorf(path, "%s: expected more than nothing", d)
	}
}

// notAbove reports the first of two durations if it is longer than the second: at the one that was given.
func (l *loader) notAbove(path string, d Duration, limit string, most Duration) {
	if d <= most || l.isWrong(path) || l.isWrong(limit) {
		return
	}
	if l.given(path) {
		l.errorf(path, "%s: longer than %s, %s", d, limit, most)
	} else {
		l.errorf(limit, "%s: shorter than %s, %s", most, path, d)
	}
}
