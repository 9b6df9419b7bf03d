package mappings

import (
	"errors"
	"slices"
	"strings"
	"time"

	"wrapup/connector"
)

// Function is what people want to know of a function of expressions.
type Function struct {
	// Group is what it is about.
	Group string `json:"group"`
	Name  string `json:"name"`
	// Usage shows how it is called.
	Usage  string      `json:"usage"`
	Params []Parameter `json:"params"`
	// Gives is the kind of its result.
	Gives string `json:"gives"`
	Doc   string `json:"doc"`
	// Example is a call, and Result what it gives, as JSON.
	Example string `json:"example"`
	Result  string `json:"result"`
}

// Parameter is one parameter of a function.
type Parameter struct {
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Optional bool   `json:"optional,omitempty"`
	// Repeated says that it may be given any number of times.
	Repeated bool `json:"repeated,omitempty"`
}

// examples has one call of each function.
func examples() map[string]string {
	return map[string]string{
		"where": "where(call.agents, 'username', '6122312312')[0].sip_id", "sole": "sole(call.agents).username",
		"coalesce": "coalesce(call.queue_name, call.queue, 'none')",

		"upper": "upper(call.direction)", "lower": "lower('Jakarta')", "trim": "trim('  Jakarta ')",
		"truncate": "truncate('Call to Jakarta', 7)", "join": "join(['a', null, 'b'], ', ')",
		"html": "html('R&D <sales>')", "soql": "soql('O\\'Brien')", "sosl": "sosl('812-345')", "odata": "odata('O\\'Brien')",
		"jql": "jql('the \"hot\" line')", "urlq": "urlq('a b&c')", "json": "json(call.queue)",
		"uuid_compact": "uuid_compact(call.call_id)", "hmac_sha256": "hmac_sha256('a text', 'a key')",

		"e164": "e164('0812345613', 'ID')", "national_digits": "national_digits('+62812345613')",
		"digits": "digits('(021) 345-613')", "last_digits": "last_digits(call.phone_e164, 6)",
		"phone_variants": "phone_variants('+62812345613')", "same_number": "same_number('0812345613', '+62812345613')",

		"unix": "unix(call.occurred_at)", "unix_ms": "unix_ms(call.occurred_at)", "rfc3339": "rfc3339(call.occurred_at)",
		"rfc3339_seconds": "rfc3339_seconds(call.occurred_at)", "sql_time": "sql_time(call.occurred_at)",
		"date_in": "date_in(call.occurred_at, 'Asia/Jakarta')",
		"format":  "format(call.occurred_at, 'DD.MM.YYYY HH:mm', 'Asia/Jakarta')",

		"seconds": "seconds(call.talk_seconds)", "millis": "millis(call.talk_seconds)", "minutes": "minutes(call.talk_seconds)",
		"mmss": "mmss(call.talk_seconds)", "hhmm": "hhmm(call.talk_seconds)",
	}
}

// exampleCall is as much of the call in the dialer's documentation as the examples look at.
func exampleCall() *connector.Record {
	agent := connector.Segment{Username: "6122312312", SIPID: "1049002"}
	return &connector.Record{
		CallID: "5c6f5869-752d-46fd-8ac0-797f83222279", Direction: connector.Outbound, Queue: "104906",
		Phone: "812345613", PhoneE164: "+62812345613",
		OccurredAt:  connector.TimeOf(time.Date(2019, 5, 24, 6, 3, 2, 655356000, time.UTC)),
		TalkSeconds: connector.KnownSpan(359420034), Agent: &agent, Agents: []connector.Segment{agent},
	}
}

// Functions describes the functions that expressions can call. The results of the examples are computed.
func Functions() ([]Function, error) {
	var all []Function
	for _, group := range []struct {
		title string
		of    []function
	}{
		{"Any value", generalFunctions()}, {"Text", textFunctions()}, {"Phone numbers", phoneFunctions()},
		{"Time", timeFunctions()}, {"Durations, from seconds", durationFunctions()},
	} {
		slices.SortFunc(group.of, func(x, y function) int { return strings.Compare(x.name, y.name) })
		for _, f := range group.of {
			d := Function{Group: group.title, Name: f.name, Usage: f.usage(), Doc: f.doc, Gives: kindAny.String(), Example: examples()[f.name]}
			if f.result != nil {
				d.Gives = f.result.kind.String()
			}
			for i, p := range f.params {
				d.Params = append(d.Params, Parameter{p.name, p.kind.String(), p.optional, f.more && i == len(f.params)-1})
			}
			var err error
			if d.Result, err = resultOf(d.Example); err != nil {
				return nil, errors.Join(errors.New("the example of "+f.name), err)
			}
			all = append(all, d)
		}
	}
	return all, nil
}

// resultOf gives the value of an expression as JSON, as a mapping would send it.
func resultOf(code string) (string, error) {
	m, problems := Compile("example", []byte("url: https://example.com\nsteps:\n  - name: example\n    body:\n      - >-\n        ${"+code+"}\n"), Options{})
	if m == nil {
		return "", problems
	}
	a, err := m.Next(Call{Record: exampleCall()})
	body := string(a.Request.Body)
	return strings.TrimSuffix(strings.TrimPrefix(body, "["), "]"), err
}
