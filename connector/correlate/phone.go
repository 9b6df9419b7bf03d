package correlate

import (
	"strings"

	"github.com/nyaruka/phonenumbers"

	"wrapup/connector"
)

// international gives a number in E.164 and its country, if it is a possible number of the region, or is international
// by itself. A number that can't be dialled gives neither: unknown is better than wrong.
func international(phone, region string) (e164, country connector.Text) {
	if phone == "" || region == "" && !strings.HasPrefix(phone, "+") {
		return "", ""
	}
	n, err := phonenumbers.Parse(phone, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return "", ""
	}
	code := phonenumbers.GetRegionCodeForNumber(n)
	if code == "" && int(n.GetCountryCode()) == phonenumbers.GetCountryCodeForRegion(region) {
		code = region // a range that is newer than the library's tables
	}
	return connector.Text(phonenumbers.Format(n, phonenumbers.E164)), connector.Text(code)
}
