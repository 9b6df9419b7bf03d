package mappings

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// evaluate runs an expression for the documented record. `item` stands for what comes from a CRM: its type is unknown.
func evaluate(t *testing.T, code string, answer any) (any, error) {
	t.Helper()
	l := newLanguage(newGrammar(), map[string]*typ{"call": recordType(), "item": typeAny()}, nil)
	e, complaints := l.compile(code)
	require.Empty(t, complaints, code)
	return e.run(&scope{m: &Mapping{}, record: example(t, ""), item: answer})
}

func TestFunctions(t *testing.T) {
	for code, want := range map[string]any{
		"soql('O\\'Neil \\\\ \"x\" (a)')": `O\'Neil \\ \"x\" (a)`,
		"sosl('+62 (812)-3*')":            `\+62 \(812\)\-3\*`,
		"odata('O\\'Neil')":               "O''Neil",
		"jql('a\\'b\"c')":                 `a\'b\"c`,
		"where(call.agents, 'username', '6122312312')[0].sip_id":           "1049002",
		"where(call.agents, 'username', 'x')":                              []any{},
		"where([call, call], 'agent.username', '6122312312')[1].queue":     "104906",
		"where([call], 'agent.name', '6122312312')":                        []any{},
		"rfc3339(call.started_at)":                                         "2019-05-24T06:03:02.655356Z",
		"rfc3339_seconds(call.started_at)":                                 "2019-05-24T06:03:02Z",
		"unix(call.started_at)":                                            1558677782,
		"unix_ms(call.started_at)":                                         1558677782655,
		"sql_time(call.started_at)":                                        "2019-05-24 06:03:02",
		"date_in(call.started_at, 'Asia/Jakarta')":                         "2019-05-24",
		"format(call.answered_at, 'YYYY-MM-DD HH:mm', 'Asia/Jakarta')":     "2019-05-24 13:03",
		"format(call.answered_at, 'DD.MM.YY hh:mm:ss.SSS A', 'UTC')":       "24.05.19 06:03:13.055 AM",
		"format(call.answered_at, 'YYYY-MM-DDTHH:mm:ssZ', 'Asia/Jakarta')": "2019-05-24T13:03:13+07:00",
		"seconds(call.talk_seconds)":                                       359,
		"seconds(1.5)":                                                     2,
		"seconds(0)":                                                       0,
		"millis(call.talk_seconds)":                                        359420,
		"minutes(call.talk_seconds)":                                       6,
		"mmss(call.talk_seconds)":                                          "05:59",
		"mmss(3725)":                                                       "62:05",
		"hhmm(call.talk_seconds)":                                          "00:06",
		"hhmm(7325)":                                                       "02:02",
		"upper('é')":                                                       "É",
		"lower('ABC')":                                                     "abc",
		"trim('  a ')":                                                     "a",
		"truncate('größer', 3)":                                            "grö",
		"truncate('a', 3)":                                                 "a",
		"coalesce(call.order_id, call.queue_name, 'x')":                    "x",
		"coalesce(null)":                                                   nil,
		"join(['a', null, 'b'], ', ')":                                     "a, b",
		"join(call.sources, ' ')":                                          "nxcloud-events",
		"digits('+62 812-345')":                                            "62812345",
		"last_digits(call.phone_e164, 5)":                                  "45613",
		"last_digits('12', 5)":                                             "12",
		"national_digits(call.phone_e164)":                                 "812345613",
		"national_digits('812345613')":                                     nil,
		"national_digits('+4915112345678')":                                "15112345678",
		"e164(call.phone, 'ID')":                                           "+62812345613",
		"e164('0812345613', 'id')":                                         "+62812345613",
		"e164('+62812345613', 'DE')":                                       "+62812345613",
		"e164('12', 'ID')":                                                 nil,
		"e164('anonymous', 'ID')":                                          nil,
		"uuid_compact(call.call_id)":                                       "5c6f5869752d46fd8ac0797f83222279",
		"sole(call.agents).username":                                       "6122312312",
		"sole([])":                                                         nil,
		"sole([1, 2])":                                                     nil,
		"html('<a & \"b\">')":                                              "&lt;a &amp; &#34;b&#34;&gt;",
		"urlq('a b&c')":                                                    "a+b%26c",
		"json(['a<', 1, null])":                                            `["a<",1,null]`,
		"phone_variants('+62812345613')":                                   []any{"+62812345613", "62812345613", "0812345613", "0062812345613"},
		"phone_variants('123')":                                            []any{"123"},
		"same_number('0812345613', call.phone_e164)":                       true,
		"same_number('+62 812 345 613', call.phone_e164)":                  true,
		"same_number('812345614', call.phone_e164)":                        false,
		"hmac_sha256('what do ya want for nothing?', 'Jefe')":              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", // RFC 4231
	} {
		got, err := evaluate(t, code, nil)
		assert.NoError(t, err, code)
		assert.Equal(t, want, got, code)
	}
}

// TestNull shows that null goes through everything without an error.
func TestNull(t *testing.T) {
	l := newLanguage(newGrammar(), nil, nil)
	for name, f := range l.functions {
		args := make([]any, len(f.params))
		got, err := f.run(args...)
		assert.NoError(t, err, name)
		assert.Nil(t, got, name)
	}
	for code, want := range map[string]any{
		"item.a.b[0].c":           nil,
		"item[0]['x']":            nil,
		"item.a + 1":              nil,
		"item.a == 1":             false,
		"item.a != 1":             false,
		"item.a > 1":              false,
		"item.a == null":          true,
		"item.a ?? 'x'":           "x",
		"item.a && true":          false,
		"!item.a":                 true,
		"item.a ? 1 : 2":          2,
		"item.a in [1]":           false,
		"1 in item.a":             false,
		"item.a contains 'x'":     false,
		"item.a matches 'x'":      false,
		"upper(item.a)":           nil,
		"'x' + item.a":            "x",
		"-item.a":                 nil,
		"item.a not in [1]":       false,
		"not (item.a in [1])":     true,
		"item?.a?.b":              nil,
		"(item.a ?? item.b) == 1": false,
	} {
		for _, answer := range []any{nil, object{}, "text", 5, []any{}} {
			got, err := evaluate(t, code, answer)
			assert.NoError(t, err, code)
			assert.Equal(t, want, got, code)
		}
	}
}

// TestAnswerValues shows what happens to values whose type shows only when they are there.
func TestAnswerValues(t *testing.T) {
	for _, c := range []struct {
		code   string
		answer any
		want   any
		err    string
	}{
		{"upper(item)", 12, "12", ""},
		{"upper(item)", []any{}, nil, "upper: needs a text, not a list"},
		{"upper(item)", true, nil, "upper: needs a text, not true or false"},
		{"date_in(item, 'Asia/Jakarta')", "2019-05-24T20:00:00Z", "2019-05-25", ""},
		{"date_in(item, 'UTC')", "yesterday", nil, "date_in: needs a time, not a text"},
		{"item + 1", "x", nil, "+ needs two texts or two numbers, not a text and a number"},
		{"item + item", "x", "xx", ""},
		{"item < 1", "x", nil, "a text can't be compared with a number"},
		{"item ? 1 : 2", "x", nil, "a condition needs true or false, not a text"},
		{"item[-1]", []any{1, 2}, 2, ""},
		{"item['1']", object{{"1", "one"}}, "one", ""},
		{"item[1]", object{{"1", "one"}}, "one", ""},
		{"'a' in item", object{{"a", 1}}, true, ""},
		{"'a' in item", 5, nil, "in needs a list, not a number"},
		{"join(item, ',')", []any{[]any{}}, nil, "join: a list can't stand in a text"},
		{"seconds(item)", json.Number("1.5"), 2, ""},
		{"truncate('x', item)", -1, nil, "truncate: needs a whole number that is not negative"},
		{"item", json.Number("123456789012345678901234567890"), json.Number("123456789012345678901234567890"), ""},
	} {
		got, err := evaluate(t, c.code, c.answer)
		assert.Equal(t, c.want, got, c.code)
		if c.err == "" {
			assert.NoError(t, err, c.code)
		} else {
			assert.EqualError(t, err, c.code+": "+c.err)
		}
	}
}
