package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"wrapup/configs"
	"wrapup/connector/deliver"
)

// veil takes secrets out of what is shown: each is replaced by its name, such as «auth.bearer».
type veil struct{ forms []veiled }

// veiled is one form in which a secret may appear.
type veiled struct{ form, name string }

// newVeil knows all secrets of a destination, whatever they are for.
func newVeil(c *configs.Destination) *veil {
	v := &veil{}
	v.walk(reflect.ValueOf(c).Elem(), "")
	if c.Auth != nil && c.Auth.Basic != nil {
		pair := c.Auth.Basic.User.Value() + ":" + c.Auth.Basic.Password.Value()
		v.add(base64.StdEncoding.EncodeToString([]byte(pair)), "auth.basic")
	}
	return v
}

// add takes a secret in all the forms in which a request or an answer may hold it.
func (v *veil) add(secret, name string) {
	if secret == "" {
		return
	}
	quoted, _ := json.Marshal(secret)
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		string(quoted[1 : len(quoted)-1]), strings.Trim(encode(secret), `"`), base64.StdEncoding.EncodeToString([]byte(secret))} {
		v.forms = append(v.forms, veiled{form, "«" + name + "»"})
	}
	// The longest first: one secret may be a part of another.
	slices.SortStableFunc(v.forms, func(a, b veiled) int { return cmp.Compare(len(b.form), len(a.form)) })
}

// over gives the text without secrets. Each is first replaced by a mark, a character for private use: one secret may be a part
// of the name of another ("id").
func (v *veil) over(text string) string {
	mark := func(i int) string { return string(rune(0xF0000 + i)) } //nolint:gosec // there are a few dozen
	for i := range v.forms {                                        // what looks like a mark already is none of ours
		text = strings.ReplaceAll(text, mark(i), "\uFFFD")
	}
	forms := make([]string, len(v.forms))
	for i, f := range v.forms {
		forms[i] = f.form
	}
	text = deliver.MaskHalves(text, forms, mark)
	for i, form := range forms {
		text = strings.ReplaceAll(text, form, mark(i))
	}
	for i, f := range v.forms {
		text = strings.ReplaceAll(text, mark(i), f.name)
	}
	return text
}

// walk finds the secrets in a part of the configuration; path is that of its keys.
func (v *veil) walk(of reflect.Value, path string) {
	below := func(key string) string { return strings.TrimPrefix(path+"."+key, ".") }
	switch of.Kind() {
	case reflect.Pointer:
		if !of.IsNil() {
			v.walk(of.Elem(), path)
		}
	case reflect.Slice:
		for i := range of.Len() {
			v.walk(of.Index(i), path)
		}
	case reflect.Map:
		for _, key := range of.MapKeys() {
			v.walk(of.MapIndex(key), below(key.String()))
		}
	case reflect.Struct:
		switch s := of.Interface().(type) {
		case configs.Secret:
			v.add(s.Value(), path)
		case configs.Text:
			v.add(s.Value(), path)
		case configs.Key:
			v.add(s.Value(), path)
		case configs.URL:
			if s.Secret() {
				v.add(s.Value(), path)
			}
			for _, part := range s.Parts() { // a CRM repeats what it got, which is no whole address
				v.add(part, path)
			}
		default:
			for i := range of.NumField() {
				key, _, _ := strings.Cut(of.Type().Field(i).Tag.Get("yaml"), ",")
				if of.Type().Field(i).IsExported() && key != "-" {
					v.walk(of.Field(i), below(key))
				}
			}
		}
	}
}
