package configs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// hidden is all that a secret shows of itself.
const hidden = "(secret)"

// Where a secret comes from.
const (
	fromEnv        = "env"        // an environment variable
	fromFile       = "file"       // a file
	fromCredential = "credential" // a file in $CREDENTIALS_DIRECTORY, where systemd puts it
	fromLiteral    = "literal"    // the configuration file itself
)

// Secret is a value that never prints itself, whatever is done to print it.
//
// In the file it is {env: NAME}, {file: PATH} or {credential: NAME}; a literal is accepted and warned about.
type Secret struct {
	// A pointer, because there is one way by which fmt prints a field without asking its methods: a pointer that is
	// printed by a verb for texts is dereferenced once, and what it points at is shown as it is.
	held *held
}

// held is what a Secret holds: where it comes from, its name there, and its value.
type held struct {
	from, name, value string
	// open says that a literal is no secret, lines that it may have several lines.
	open, lines bool
}

// Value gives the secret, as it was when the configuration was loaded.
func (s Secret) Value() string {
	if s.held == nil {
		return ""
	}
	return s.held.value
}

// secret says that the value is to be kept secret: all but texts that stand in the file where they need be no secret.
func (h *held) secret() bool { return h.from != fromLiteral || !h.open }

// IsZero says that no secret was given.
func (s Secret) IsZero() bool { return s.held == nil }

// String hides the secret, as do the methods below it.
func (Secret) String() string { return hidden }

// GoString hides the secret.
func (Secret) GoString() string { return hidden }

// Format hides the secret, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from every encoder that asks for text.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalYAML hides the secret.
func (Secret) MarshalYAML() (any, error) { return hidden, nil }

// UnmarshalText reads where the secret comes from, as the walk over the file writes it: "file:/etc/wrapup/token".
func (s *Secret) UnmarshalText(text []byte) error {
	from, name, ok := strings.Cut(string(text), ":")
	if !ok {
		return errors.New("a secret without where it comes from")
	}
	s.held = &held{from: from, name: name}
	return nil
}

// hold gives what is filled in at load: nil if no secret was given. A URL has it, too.
func (s *Secret) hold() *held { return s.held }

// URL is an address that may be a secret, for there are destinations whose whole address is one. Then it never prints
// itself; one that stands in the file prints itself, but for a password.
type URL struct{ address Secret }

// Value gives the address.
func (u URL) Value() string { return u.address.Value() }

// IsZero says that no address was given.
func (u URL) IsZero() bool { return u.address.IsZero() }

// Secret says that the address is a secret.
func (u URL) Secret() bool { return !u.IsZero() && u.address.held.from != fromLiteral }

// String gives the address, or hides it.
func (u URL) String() string {
	if u.Secret() {
		return hidden
	}
	parsed, err := url.Parse(u.Value())
	if err != nil {
		return hidden
	}
	return parsed.Redacted()
}

// GoString gives String.
func (u URL) GoString() string { return u.String() }

// Format writes String, whatever the verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue gives String.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText gives String.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is that of Secret.
func (u *URL) UnmarshalText(text []byte) error {
	err := u.address.UnmarshalText(text)
	if u.address.held != nil {
		u.address.held.open = true
	}
	return err
}

// minPart is the length of the shortest part of a secret address that is taken for a secret by itself: v1 is everywhere.
const minPart = 6

// Parts gives what travels of an address that is a secret, behind the host: all of it, and each part of its path and query
// that is long enough to be a secret by itself.
func (u URL) Parts() []string {
	parsed, err := url.Parse(u.Value())
	if err != nil || !u.Secret() {
		return nil
	}
	parts := []string{parsed.RequestURI(), parsed.RawQuery}
	for escaped := range strings.SplitSeq(parsed.EscapedPath(), "/") {
		if part, err := url.PathUnescape(escaped); err == nil {
			parts = append(parts, part)
		}
	}
	for _, values := range parsed.Query() {
		parts = append(parts, values...)
	}
	return slices.DeleteFunc(parts, func(part string) bool { return len(part) < minPart })
}

func (u *URL) hold() *held { return u.address.held }

// Text is a text that may be a secret, such as the value of a header. It never prints itself either way.
type Text struct{ Secret }

// UnmarshalText is that of Secret.
func (t *Text) UnmarshalText(text []byte) error {
	err := t.Secret.UnmarshalText(text)
	if t.held != nil {
		t.held.open = true
	}
	return err
}

// Key is a secret of several lines: a private key in PEM.
type Key struct{ Secret }

// UnmarshalText is that of Secret.
func (k *Key) UnmarshalText(text []byte) error {
	err := k.Secret.UnmarshalText(text)
	if k.held != nil {
		k.held.lines = true
	}
	return err
}

// Secrets are one secret or, while one replaces another, several of them. In the file they are a secret, or a list.
type Secrets []Secret

// Values gives the secrets.
func (s Secrets) Values() []string {
	values := make([]string, len(s))
	for i := range s {
		values[i] = s[i].Value()
	}
	return values
}

// secretsIn gives the values that are to be kept secret, wherever there are some in v.
func secretsIn(v reflect.Value) (values []string) {
	if h, ok := v.Addr().Interface().(holder); ok {
		if s := h.hold(); s != nil && s.secret() && s.value != "" {
			values = append(values, s.value)
		}
		return values
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			values = secretsIn(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			values = append(values, secretsIn(v.Index(i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			entry := reflect.New(v.Type().Elem()).Elem()
			entry.Set(v.MapIndex(key))
			values = append(values, secretsIn(entry)...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("yaml") != "-" {
				values = append(values, secretsIn(v.Field(i))...)
			}
		}
	}
	return values
}

// SecretValues gives the values of all that is secret about the destination, so that they can be kept out of what is shown.
// Some travel in another form, which is given, too: user and password in base64, and the parts of an address.
func (d *Destination) SecretValues() []string {
	values := append(secretsIn(reflect.ValueOf(d).Elem()), d.URL.Parts()...)
	if d.Auth != nil && d.Auth.Basic != nil {
		values = append(values, base64.StdEncoding.EncodeToString([]byte(d.Auth.Basic.User.Value()+":"+d.Auth.Basic.Password.Value())))
	}
	if d.Auth != nil && d.Auth.OAuth2 != nil {
		values = append(values, d.Auth.OAuth2.TokenURL.Parts()...)
	}
	return values
}
