package deliver

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"wrapup/connector"
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
	for _, secrets := range [][]string{w.secrets, spellings(w.granted())} {
		text = MaskHalves(text, secrets, func(int) string { return masked }) // first, for another secret may be a part of it
		for _, secret := range secrets {
			text = strings.ReplaceAll(text, secret, masked)
		}
	}
	return text
}

// unnumbered takes the customer's number out of a text that is logged.
func (w *work) unnumbered(text string) string {
	if w.call == nil {
		return text
	}
	for _, number := range w.call.Phones() {
		text = connector.MaskNumberIn(text, number)
	}
	return text
}

// MaskHalves replaces what is left of a secret that was cut off: a CRM's sentence is shortened, with "…" at its end, before it
// comes to where the secrets are known. name says by what.
func MaskHalves(text string, secrets []string, name func(i int) string) string {
	const cut = "…"
	parts := strings.Split(text, cut)
	for at := range parts[:len(parts)-1] {
		if i, n := half(parts[at], secrets); n > 0 {
			parts[at] = parts[at][:len(parts[at])-n] + name(i)
		}
	}
	return strings.Join(parts, cut)
}

// half finds the secret that the text ends with the most of, and how much that is.
func half(text string, secrets []string) (which, length int) {
	for i, secret := range secrets {
		for n := min(len(secret)-1, len(text)); n >= minSecret && n > length; n-- {
			if strings.HasSuffix(text, secret[:n]) {
				which, length = i, n
			}
		}
	}
	return which, length
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
