package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
)

// door is a source and how one gets in.
type door struct {
	Source
	token, user, password digest
}

func newDoor(s Source) door {
	return door{Source: s, token: digestOf(s.Token), user: digestOf(s.User), password: digestOf(s.Password)}
}

// digest of a secret. Comparing digests hides the secret's length as well.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// is compares in a time that doesn't depend on how much of it is right.
func (d digest) is(shown string) bool {
	other := digestOf(shown)
	return subtle.ConstantTimeCompare(other[:], d[:]) == 1
}

// Why somebody isn't let in, in the words of the log and of the count. The answer doesn't tell them apart.
const (
	whyAddress  = "the address is not in allow"
	whyNoToken  = "no token"
	whyToken    = "wrong token"
	whyNoBasic  = "no user and password"
	whyBasic    = "wrong user or password"
	whyPath     = "no such path"
	whyMethod   = "not a POST"
	whyNobody   = "nobody can be let in"
	challengeAs = `Basic realm="wrapup", charset="UTF-8"`
)

// admit gives the source that the request is for. The path is compared as it is: a redirect to a cleaned one, as a mux
// gives it, would turn the dialer's POST into a GET. Several sources may share a path and differ in what they ask for.
//
// All that a source asks for must be shown. An address that isn't allowed is told so whatever it shows: from there nobody
// can try out tokens.
func (w *way) admit(req *http.Request, from netip.Addr) (*Source, *refusal) {
	var in *Source
	var no *refusal
	for i := range w.doors {
		d := &w.doors[i]
		if !d.leads(req.URL.Path) {
			continue
		}
		if req.Method != http.MethodPost {
			return nil, &refusal{status: http.StatusMethodNotAllowed, text: "only POST is allowed", why: whyMethod,
				allow: http.MethodPost, source: d.Name}
		}
		why := d.opens(req, from)
		switch {
		case why == "" && in == nil:
			in = &d.Source
		case why == whyAddress && no == nil:
			no = &refusal{status: http.StatusForbidden, text: "not allowed from this address", why: why, source: d.Name}
		case why != whyAddress && (no == nil || no.status != http.StatusUnauthorized):
			no = &refusal{status: http.StatusUnauthorized, text: "not authorized", why: why, source: d.Name}
			if d.User != "" {
				no.challenge = challengeAs
			}
		}
	}
	switch {
	case in != nil:
		return in, nil
	case no != nil:
		return nil, no
	}
	return nil, &refusal{status: http.StatusNotFound, text: "no such path", why: whyPath}
}

// leads says that the path is the source's, be the token right or wrong.
func (d *door) leads(path string) bool {
	return path == d.Path || d.Token != "" && d.TokenIn == InPath && strings.HasPrefix(path, d.tokenPrefix())
}

func (d *door) tokenPrefix() string { return strings.TrimSuffix(d.Path, "/") + "/" }

// opens says why the request isn't let in, "" if it is.
func (d *door) opens(req *http.Request, from netip.Addr) string {
	address := len(d.Allow) == 0 || contains(d.Allow, from)
	token, basic := d.checkToken(req), d.checkBasic(req)
	switch { // all of it was looked at, whatever is wrong
	case !address:
		return whyAddress
	case token != "":
		return token
	default:
		return basic
	}
}

func (d *door) checkToken(req *http.Request) string {
	if d.Token == "" {
		return ""
	}
	var shown []string
	switch d.TokenIn {
	case InPath:
		behind, _ := strings.CutPrefix(req.URL.Path, d.tokenPrefix())
		if req.URL.Path == d.Path {
			behind = ""
		}
		shown = []string{behind}
	case InQuery:
		shown = []string{req.URL.Query().Get("token")}
	case InHeader:
		shown = []string{req.Header.Get("token")}
		if scheme, bearer, _ := strings.Cut(req.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			shown = append(shown, strings.TrimSpace(bearer))
		}
	default:
		return whyNobody
	}
	why := whyNoToken
	for _, s := range shown {
		if d.token.is(s) {
			return ""
		}
		if s != "" {
			why = whyToken
		}
	}
	return why
}

func (d *door) checkBasic(req *http.Request) string {
	if d.User == "" {
		return ""
	}
	user, password, shown := req.BasicAuth()
	right := d.user.is(user)
	right = d.password.is(password) && right
	switch {
	case right:
		return ""
	case !shown:
		return whyNoBasic
	default:
		return whyBasic
	}
}
