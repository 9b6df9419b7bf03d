package deliver

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

const (
	// masked stands in place of a secret.
	masked = "***"
	// minSecret is the length of the shortest text that is taken for a secret wherever it appears: "X", which some APIs
	// take for a password, is everywhere.
	minSecret = 6
)

// mask takes secrets out of a text: those of the destination, and what its logins and tokens gave. A CRM likes to repeat
// what it was sent.
func (w *work) mask(text string) string {
	if text == "" {
		return text
	}
	for _, secret := range w.secrets {
		text = strings.ReplaceAll(text, secret, masked)
	}
	for _, secret := range spellings(w.granted()) {
		text = strings.ReplaceAll(text, secret, masked)
	}
	return text
}

// granted gives the secrets that the destination gave us: tokens, and what the login saved.
func (w *work) granted() (secrets []string) {
	for name, v := range w.auth {
		if s, ok := v.(string); ok && strings.Contains(name, "token") && name != "token_type" {
			secrets = append(secrets, s)
		}
	}
	return append(secrets, w.session.secrets()...)
}

// spellings gives secrets in the forms in which they appear: as they are, in JSON, and in an address. The longest come
// first, for one may be part of another.
func spellings(secrets []string) []string {
	var all []string
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		all = append(all, s, url.QueryEscape(s), url.PathEscape(s))
		if quoted, err := json.Marshal(s); err == nil {
			all = append(all, string(quoted[1:len(quoted)-1]))
		}
		var plain strings.Builder
		e := json.NewEncoder(&plain)
		e.SetEscapeHTML(false)
		if e.Encode(s) == nil {
			all = append(all, strings.Trim(plain.String(), "\"\n"))
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}
