package target

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// JWT says what a signed statement in place of a password holds (RFC 7523, section 3).
type JWT struct {
	// Key is an RSA key in PEM, as PKCS #8 or PKCS #1; KeyID its name, if the server wants one.
	Key   []byte
	KeyID string
	// Issuer is the client's id with Salesforce, Subject the user, Audience the authorization server.
	Issuer, Subject, Audience string
	// Lifetime of a statement. 0 is three minutes; servers take no more than five to sixty.
	Lifetime time.Duration
}

// TokenRequest is a request for a token.
type TokenRequest struct {
	Method, URL string
	Header      http.Header
	Body        []byte
}

// Request gives the request that would be sent, for people to look at: with the assertion in place of a signed one, and
// the configured refresh token.
func (o TokenOptions) Request(assertion string) (TokenRequest, error) {
	return o.request(o.RefreshToken, assertion)
}

// request makes the request for a token.
func (t *Tokens) request(refresh string, now time.Time) (r TokenRequest, err error) {
	assertion := ""
	if t.o.Grant == GrantJWTBearer {
		if assertion, err = t.o.JWT.sign(t.key, now); err != nil {
			return TokenRequest{}, err
		}
	}
	return t.o.request(refresh, assertion)
}

func (o TokenOptions) request(refresh, assertion string) (r TokenRequest, err error) {
	fields := maps.Clone(o.Extra)
	if fields == nil {
		fields = map[string]string{}
	}
	set := func(name, value string) {
		if value != "" {
			fields[name] = value
		}
	}
	set("grant_type", o.Grant)
	set("scope", o.Scope)
	r = TokenRequest{Method: http.MethodPost, URL: o.URL, Header: http.Header{"Accept": {"application/json"}}}
	if o.Basic {
		// RFC 6749, section 2.3.1: both are encoded like a form's fields first.
		pair := url.QueryEscape(o.ClientID) + ":" + url.QueryEscape(o.ClientSecret)
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	} else {
		set("client_id", o.ClientID)
		set("client_secret", o.ClientSecret)
	}
	switch o.Grant {
	case GrantRefreshToken:
		set("refresh_token", refresh)
	case GrantPassword:
		set("username", o.User)
		set("password", o.Password)
	case GrantJWTBearer:
		set("assertion", assertion)
	}
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	switch {
	case o.Method == http.MethodGet:
		u, err := url.Parse(o.URL)
		if err != nil {
			return TokenRequest{}, withoutURL(err)
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += form.Encode()
		r.Method, r.URL = http.MethodGet, u.String()
	case o.JSON:
		r.Header.Set("Content-Type", "application/json")
		r.Body, err = json.Marshal(fields)
	default:
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = []byte(form.Encode())
	}
	return r, err
}

// sign gives the statement as a JWS in compact form, signed by RS256 (RFC 7515, section 7.1; RFC 7518, section 3.3).
func (j JWT) sign(key *rsa.PrivateKey, now time.Time) (string, error) {
	lifetime := j.Lifetime
	if lifetime == 0 {
		lifetime = 3 * time.Minute
	}
	claims := map[string]any{
		"iss": j.Issuer, "aud": j.Audience, "iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"jti": rand.Text(), // each statement is for one use
	}
	if j.Subject != "" {
		claims["sub"] = j.Subject
	}
	head := map[string]any{"alg": "RS256", "typ": "JWT"}
	if j.KeyID != "" {
		head["kid"] = j.KeyID
	}
	first, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	second, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(first) + "." + base64.RawURLEncoding.EncodeToString(second)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("a JWT can't be signed: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// CheckKey says what is wrong with the Key of a JWT.
func CheckKey(text []byte) error {
	_, err := parseRSAKey(text)
	return err
}

// parseRSAKey reads a private key. What is wrong with it is said without what stands in it.
func parseRSAKey(text []byte) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the key of the JWT is not PEM: expected -----BEGIN PRIVATE KEY-----")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the key of the JWT (%s) can't be read: expected an RSA key that has no password", block.Type)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key of the JWT is not an RSA key, which RS256 needs")
	}
	return key, nil
}
