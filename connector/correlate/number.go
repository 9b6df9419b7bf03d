package correlate

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"wrapup/connector"
)

// Number is a phone number as a person gave it, in whatever format, to be compared with what calls have.
type Number struct {
	digits string
	// e164 and national are what it may be, read in each region that a queue dials.
	e164, national []string
}

// ParseNumber reads a number. It is false if the text can be none.
func ParseNumber(text string, s *Settings) (n Number, ok bool) {
	if strings.Trim(text, "+0123456789 \t()-./\u00a0") != "" {
		return Number{}, false
	}
	n.digits = connector.Digits(text)
	if len(n.digits) < 5 {
		return Number{}, false
	}
	n.national = []string{strings.TrimLeft(n.digits, "0")}
	for _, region := range s.regions() {
		if parsed, err := phonenumbers.Parse(text, region); err == nil && phonenumbers.IsPossibleNumber(parsed) {
			n.read(parsed)
		}
	}
	if !strings.Contains(text, "+") {
		n.readWithoutPlus(s)
	}
	return n, true
}

func (n *Number) read(parsed *phonenumbers.PhoneNumber) {
	n.e164 = include(n.e164, phonenumbers.Format(parsed, phonenumbers.E164))
	n.national = include(n.national, strings.TrimLeft(phonenumbers.GetNationalSignificantNumber(parsed), "0"))
}

// readWithoutPlus reads 62812345613 and 0062812345613 as +62812345613 where a queue dials that country: so a CRM's export and
// many a telephone show it. What is read so is erased, too: so it has to be a number that there is.
func (n *Number) readWithoutPlus(s *Settings) {
	parsed, err := phonenumbers.Parse("+"+strings.TrimPrefix(n.digits, "00"), "")
	if err != nil || !phonenumbers.IsValidNumber(parsed) {
		return
	}
	dialled := func(region string) bool {
		return phonenumbers.GetCountryCodeForRegion(region) == int(parsed.GetCountryCode())
	}
	if slices.ContainsFunc(s.regions(), dialled) {
		n.read(parsed)
	}
}

func include(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// regions lists the regions of the queues; the last is none, in which only international numbers can be read.
func (s *Settings) regions() []string {
	list := include(nil, s.DefaultQueue.Region)
	for _, q := range s.Queues {
		list = include(list, q.Region)
	}
	slices.Sort(list)
	return append(list, "")
}

// Labels gives the labels that calls with the number may have.
func (n Number) Labels() []string {
	var labels []string
	for _, list := range [][]string{n.e164, n.national, {n.digits}} {
		for _, number := range list {
			labels = include(labels, connector.PhoneLabel(number))
		}
	}
	return labels
}

// Numbers lists what the number may be: in E.164, and as it was given.
func (n Number) Numbers() []string { return include(slices.Clone(n.e164), n.digits) }

// Is says that a number that a call has, in E.164 or as the dialer sent it, is this one.
func (n Number) Is(phone string) bool {
	digits := connector.Digits(phone)
	if digits == "" {
		return false
	}
	if strings.HasPrefix(strings.TrimSpace(phone), "+") {
		if len(n.e164) > 0 {
			return slices.Contains(n.e164, "+"+digits)
		}
		return digits == n.digits
	}
	return digits == n.digits || slices.Contains(n.national, strings.TrimLeft(digits, "0")) || slices.Contains(n.e164, "+"+digits)
}

// OneOf says that one of the numbers of a call is this one.
func (n Number) OneOf(phones []string) bool { return slices.ContainsFunc(phones, n.Is) }
