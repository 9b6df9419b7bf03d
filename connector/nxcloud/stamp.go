package nxcloud

import (
	"bytes"
	"strconv"

	"wrapup/connector"
)

// The first second of 2001, and the first after 2100.
const (
	firstSecond = 978_307_200
	endSecond   = 4_133_980_800
)

// parseStamp reads a Unix time in decimal digits. The documents say "Unix timestamp", their example has microseconds,
// and the vendor's retired status feed sends seconds with a fraction; so the unit is told by the magnitude, which is
// never in doubt between 2001 and 2100. What is finer than microseconds is cut. No float is involved: at 16 digits it
// would lose the last one.
func parseStamp(text []byte) (connector.Time, bool) {
	whole, fraction, dotted := bytes.Cut(text, []byte("."))
	if !isDigits(whole) || dotted && !isDigits(fraction) {
		return 0, false
	}
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil {
		return 0, false
	}
	switch {
	case between(n, 1):
		return connector.Time(n*1e6 + micros(fraction)), true
	case dotted:
		return 0, false
	case between(n, 1e3):
		return connector.Time(n * 1e3), true
	case between(n, 1e6):
		return connector.Time(n), true
	case between(n, 1e9):
		return connector.Time(n / 1e3), true
	default:
		return 0, false
	}
}

// between says that n, with so many units to the second, lies in the accepted years.
func between(n, perSecond int64) bool { return n >= firstSecond*perSecond && n < endSecond*perSecond }

// micros gives the microseconds of the digits after a decimal point.
func micros(fraction []byte) int64 {
	var n int64
	for i := range 6 {
		n *= 10
		if i < len(fraction) {
			n += int64(fraction[i] - '0')
		}
	}
	return n
}
