package mappings

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"wrapup/connector"
)

// example2 is a record with most things unknown.
func example2() *connector.Record {
	return &connector.Record{CallID: "a", UUID: "a", Attempt: 1, Revision: 2, Outcome: connector.OutcomeUnanswered, OccurredAt: 1}
}

// TestRecordObject holds the record that mappings see against the JSON that is its contract.
func TestRecordObject(t *testing.T) {
	for _, r := range []*connector.Record{example(t, ""), example2(), {}} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(r))
		got, err := appendJSON(nil, recordObject(r))
		require.NoError(t, err)
		assert.Equal(t, string(bytes.TrimSpace(want.Bytes())), string(got))
	}
}

// TestRecordFields sees to it that each field of the record has a type, and the value one that fits.
func TestRecordFields(t *testing.T) {
	types := recordType()
	assert.Len(t, types.fields, reflect.TypeFor[connector.Record]().NumField())
	for _, m := range recordObject(example(t, `{"recording_url": "x", "order_id": "x"}`)) {
		want, got := types.fields[m.key], typeOf(m.value)
		if m.value != nil {
			assert.Equal(t, want.kind, got.kind, m.key)
		}
	}
}

// TestSpanDigits shows that a duration loses no microsecond on its way through a number.
func TestSpanDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := connector.KnownSpan(rapid.Int64Range(0, 200*365*86400*1e6).Draw(t, "micros"))
		v, err := normal(span)
		require.NoError(t, err)
		s, err := text(v)
		require.NoError(t, err)
		if span.Micros >= 1 {
			assert.JSONEq(t, span.String(), s)
		}
		if span.Micros >= 1000 {
			assert.Equal(t, span.String(), s)
		}
	})
}

func TestArithmeticOverflow(t *testing.T) {
	for _, c := range []struct {
		op   string
		a, b int
		ok   bool
	}{
		{"+", math.MaxInt, 0, true}, {"+", math.MaxInt, 1, false}, {"+", math.MinInt, -1, false}, {"+", math.MinInt, math.MaxInt, true},
		{"-", math.MinInt, 1, false}, {"-", 0, math.MinInt, false}, {"-", -1, math.MinInt, true}, {"-", math.MaxInt, -1, false},
		{"*", math.MaxInt, 2, false}, {"*", 1 << 31, 1 << 31, true}, {"*", 1 << 32, 1 << 31, false}, {"*", math.MinInt, -1, false},
		{"%", 5, 0, false}, {"/", 5, 0, false}, {"/", math.MinInt, -1, true},
	} {
		_, err := arithmetic(c.op, c.a, c.b)
		assert.Equal(t, c.ok, err == nil, "%d %s %d: %v", c.a, c.op, c.b, err)
	}
}

func TestEqual(t *testing.T) {
	big := json.Number("9007199254740993")
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{1, 1.0, true}, {1, json.Number("1.0"), true}, {big, 9007199254740993, true}, {big, 9007199254740992, false},
		{json.Number("123456789012345678901234567890"), json.Number("123456789012345678901234567890"), true},
		{json.Number("123456789012345678901234567890"), json.Number("123456789012345678901234567891"), false},
		{"1", 1, false}, {1, "1", false}, {true, true, true}, {true, "true", false}, {connector.Time(5), connector.Time(5), true},
		{[]any{1}, []any{1}, false}, {object{}, object{}, false},
	} {
		assert.Equal(t, c.want, equal(c.a, c.b), "%v == %v", c.a, c.b)
	}
}
