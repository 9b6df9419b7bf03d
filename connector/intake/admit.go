package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// door is a source and how one gets in.
type door struct {
	Source
	// digest of the token. Comparing digests hides the token's length as well.
	digest [sha256.Size]byte
}

func newDoor(s Source) door {
	return door{Source: s, digest: sha256.Sum256([]byte(s.Token))}
}

// admit gives the source that the request is for. The path is compared as it is: a redirect to a cleaned one, as a mux
// gives it, would turn the dialer's POST into a GET. Several sources may share a path and differ in their tokens.
func (r *Receiver) admit(req *http.Request) (*Source, *refusal) {
	no := &refusal{status: http.StatusNotFound, text: "no such path"}
	for i := range r.doors {
		d := &r.doors[i]
		if !d.leads(req.URL.Path) {
			continue
		}
		if req.Method != http.MethodPost {
			return nil, &refusal{status: http.StatusMethodNotAllowed, text: "only POST is allowed",
				allow: http.MethodPost, source: d.Name}
		}
		if d.opens(req) {
			return &d.Source, nil
		}
		no = &refusal{status: http.StatusUnauthorized, text: "not authorized", source: d.Name}
	}
	return nil, no
}

// leads says that the path is the source's, be the token right or wrong.
func (d *door) leads(path string) bool {
	return path == d.Path || d.Token != "" && d.TokenIn == InPath && strings.HasPrefix(path, d.tokenPrefix())
}

func (d *door) tokenPrefix() string { return strings.TrimSuffix(d.Path, "/") + "/" }

// opens says that the request shows the token, if one is needed.
func (d *door) opens(req *http.Request) bool {
	if d.Token == "" {
		return true
	}
	switch d.TokenIn {
	case InPath:
		shown, _ := strings.CutPrefix(req.URL.Path, d.tokenPrefix())
		return d.isToken(shown)
	case InQuery:
		return d.isToken(req.URL.Query().Get("token"))
	case InHeader:
		scheme, shown, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		bearer := strings.EqualFold(scheme, "Bearer") && d.isToken(strings.TrimSpace(shown))
		return d.isToken(req.Header.Get("token")) || bearer
	default:
		return false
	}
}

// isToken compares in a time that doesn't depend on how much of the token is right.
func (d *door) isToken(shown string) bool {
	digest := sha256.Sum256([]byte(shown))
	return subtle.ConstantTimeCompare(digest[:], d.digest[:]) == 1
}
