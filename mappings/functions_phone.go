package mappings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

func phoneFunctions() []function {
	aText := &typ{kind: kindText}
	number := param{name: "number", kind: kindText}
	return []function{
		{
			name: "e164", doc: "A phone number in international form, +62812345613; null if it is none.",
			params: []param{number, {name: "'ID'", kind: kindText, literal: isRegion}}, result: aText,
			do: func(a []any) (any, error) {
				n, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				region, err := argText(a[1])
				if err != nil {
					return nil, err
				}
				parsed := parsePhone(n, region)
				if parsed == nil {
					return nil, nil
				}
				return phonenumbers.Format(parsed, phonenumbers.E164), nil
			},
		},
		{
			name: "national_digits", doc: "The digits of an international number without its country code; null if it is none.",
			params: []param{number}, result: aText,
			do: func(a []any) (any, error) {
				n, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				parsed := parsePhone(n, "")
				if parsed == nil {
					return nil, nil
				}
				return phonenumbers.GetNationalSignificantNumber(parsed), nil
			},
		},
		textFunction("digits", "The digits of a text.", digits),
		{
			name: "last_digits", doc: "The last so many digits of a text.",
			params: []param{{name: "text", kind: kindText}, {name: "digits", kind: kindNumber, literal: isCount}}, result: aText,
			do: func(a []any) (any, error) {
				s, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				n, err := argCount(a[1])
				if err != nil {
					return nil, err
				}
				s = digits(s)
				return s[max(0, len(s)-n):], nil
			},
		},
		{
			name: "phone_variants", doc: "The ways in which people write an international number: +62812…, 62812…, 0812…, 0062812….",
			params: []param{number}, result: &typ{kind: kindList, elem: aText},
			do: func(a []any) (any, error) {
				n, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				return phoneVariants(n), nil
			},
		},
		{
			name: "same_number", doc: "Whether two phone numbers reach the same phone, however they are written.",
			params: []param{number, number}, result: &typ{kind: kindBool},
			do: func(a []any) (any, error) {
				one, err := argText(a[0])
				if err != nil {
					return nil, err
				}
				other, err := argText(a[1])
				if err != nil {
					return nil, err
				}
				return sameNumber(one, other), nil
			},
		},
	}
}

// isRegion refuses what is no country, for then only international numbers would be read.
func isRegion(v any) error {
	region, err := argText(v)
	if err == nil && !phonenumbers.GetSupportedRegions()[strings.ToUpper(region)] {
		return fmt.Errorf("needs a country that it knows, by its two letters such as ID or DE, not %q", region)
	}
	return err
}

// parsePhone reads a phone number, nil if it can't be one.
func parsePhone(n, region string) *phonenumbers.PhoneNumber {
	if len(n) > 40 {
		return nil
	}
	parsed, err := phonenumbers.Parse(n, strings.ToUpper(region))
	if err != nil || !phonenumbers.IsPossibleNumber(parsed) {
		return nil
	}
	return parsed
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// phoneVariants gives the number as it is, and if it is an international one, as people write it otherwise.
func phoneVariants(n string) []any {
	variants := []any{n}
	add := func(s string) {
		if !slices.Contains(variants, any(s)) {
			variants = append(variants, s)
		}
	}
	parsed := parsePhone(n, "")
	if parsed == nil {
		return variants
	}
	country := strconv.Itoa(int(parsed.GetCountryCode()))
	national := phonenumbers.GetNationalSignificantNumber(parsed)
	add("+" + country + national)
	add(country + national)
	if trunk := trunkPrefix(parsed); trunk != "" {
		add(trunk + national)
	}
	add("00" + country + national)
	return variants
}

// trunkPrefix gives the digit that is dialled before a national number, "" in countries without one.
func trunkPrefix(n *phonenumbers.PhoneNumber) string {
	return phonenumbers.GetNddPrefixForRegion(phonenumbers.GetRegionCodeForNumber(n), true)
}

// sameNumber compares two numbers in whatever form; one in national form fits an international one whose national part
// it is.
func sameNumber(a, b string) bool {
	x, y := parsePhone(a, ""), parsePhone(b, "")
	switch {
	case x != nil && y != nil:
		return phonenumbers.Format(x, phonenumbers.E164) == phonenumbers.Format(y, phonenumbers.E164)
	case x == nil && y == nil:
		return digits(a) != "" && digits(a) == digits(b)
	case x == nil:
		return slices.Contains(phoneVariants(b), any(digits(a)))
	}
	return slices.Contains(phoneVariants(a), any(digits(b)))
}
