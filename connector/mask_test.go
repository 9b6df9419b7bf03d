package connector

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestMaskNumber(t *testing.T) {
	for number, want := range map[string]string{
		"812345613": "******613", "+62812345613": "+********613", "0812-345 613": "****-*** 613", "12": "12", "": "",
	} {
		assert.Equal(t, want, MaskNumber(number))
	}
}

func TestMaskNumberIn(t *testing.T) {
	for _, c := range [][2]string{
		{"answered 422: phone +62812345613 is no mobile", "answered 422: phone +********613 is no mobile"},
		{"0812-345-613 and 812345613", "****-***-613 and ******613"},
		{"(0812) 345.613", "(****) ***.613"},
		{"answered 404 at 10:23:45, request 5c6f5869", "answered 404 at 10:23:45, request 5c6f5869"},
		{`{"phone":"62812345613"}`, `{"phone":"********613"}`},
		{"no number", "no number"},
		{"", ""},
	} {
		assert.Equal(t, c[1], MaskNumberIn(c[0], "+62812345613"), c[0])
	}
	assert.Equal(t, "status 1234", MaskNumberIn("status 1234", "1234"), "a short one is everywhere")
	assert.Equal(t, "x 5555", MaskNumberIn("x 5555", ""))
}

// Whatever stands around it, not the whole number is left, and nothing else is changed.
func TestMaskedNumbersAreGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[1-9][0-9]{7,11}`).Draw(t, "number")
		before := rapid.StringMatching(`([a-zA-Z0-9äö ,:+/]{0,20}[a-z:"])?`).Draw(t, "before")
		after := rapid.StringMatching(`(["a-z:][a-zA-Z0-9äö ,:+/]{0,20})?`).Draw(t, "after")
		got := MaskNumberIn(before+number+after, number)
		assert.NotContains(t, got, number)
		assert.Len(t, got, len(before+number+after))
		assert.Contains(t, got, number[len(number)-3:])
	})
}
