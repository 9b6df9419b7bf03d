package correlate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"wrapup/connector/correlate"
)

// Whoever looks for a number, or wants it erased, has it from a CRM, a telephone or a letter.
func TestANumberIsFoundInAnyFormat(t *testing.T) {
	settings := &correlate.Settings{DefaultQueue: correlate.Queue{Region: "ID"}}
	for _, given := range []string{
		"+62812345613", "+62 812-345-613", "+62 (0)812 345613", "62812345613", "62 812 345 613", "0062812345613", "00 62 812 345613",
		"0812345613", "0812-345-613", "812345613", "(0812) 345.613",
	} {
		number, ok := correlate.ParseNumber(given, settings)
		require.True(t, ok, given)
		require.True(t, number.Is("812345613"), "%s is what the dialer posts without a country code", given)
		require.True(t, number.Is("0812345613"), given)
		require.True(t, number.Is("+62812345613"), "%s is what the record has: %v", given, number.Numbers())
		require.False(t, number.Is("+63812345613"), given)
		require.False(t, number.Is("812345614"), given)
	}
}

// A number without a plus is no other country's: 49… is Germany's only for those who dial there.
func TestANumberWithoutAPlusIsOfACountryThatIsDialled(t *testing.T) {
	for region, is := range map[string]bool{"DE": true, "ID": false, "": false} {
		number, ok := correlate.ParseNumber("4915112345678", &correlate.Settings{DefaultQueue: correlate.Queue{Region: region}})
		require.True(t, ok)
		require.Equal(t, is, number.Is("015112345678"), region)
		require.True(t, number.Is("4915112345678"), "the same digits are the same number")
	}
}
