package mappings

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"
)

var errTooManyItems = fmt.Errorf("there are more than %d items", maxItems)

func errNoList(v any) error { return errors.New("needs a list, not " + describe(v)) }

// content is what a request carries.
type content interface {
	// render gives the bytes and their type; nil bytes are no content.
	render(s *scope) (b []byte, kind string, err error)
}

// jsonContent is a body in JSON. Wrap, if there is one, is what stands around each step's body.
type jsonContent struct {
	body, wrap tree
	// size is about how long it gets.
	size int
}

func (c jsonContent) render(s *scope) ([]byte, string, error) {
	t := c.body
	if c.wrap != nil {
		body, err := c.body.render(s)
		if err != nil {
			return nil, "", err
		}
		if body == any(absent{}) {
			body = nil
		}
		s.body = body
		t = c.wrap
	}
	b, got, err := t.append(make([]byte, 0, c.size), s)
	if err != nil || got == gaveNothing {
		return nil, "", err
	}
	return b, "application/json", nil
}

// formContent is a body as an HTML form sends it.
type formContent struct{ fields tree }

func (c formContent) render(s *scope) ([]byte, string, error) {
	v, err := c.fields.render(s)
	if err != nil {
		return nil, "", err
	}
	pairs, err := appendQuery(nil, "", v)
	if err != nil {
		return nil, "", &RenderError{Field: "form", Err: err}
	}
	return []byte(strings.Join(pairs, "&")), "application/x-www-form-urlencoded", nil
}

// textContent is a body as it is written.
type textContent struct{ text *template }

func (c textContent) render(s *scope) ([]byte, string, error) {
	text, err := c.text.text(s, asItIs)
	return []byte(text), "text/plain; charset=utf-8", err
}

// multipartContent is a form with files.
type multipartContent struct{ parts []filePart }

// filePart is a field of such a form, or a file if it has a name.
type filePart struct {
	field                string
	content, file, media *template
}

func (c multipartContent) render(s *scope) ([]byte, string, error) {
	type rendered struct{ header, content string }
	var parts []rendered
	sum := sha256.New() // the boundary follows from the content: the same call gives the same request
	for _, p := range c.parts {
		text, null, err := p.content.textOrNull(s)
		if err != nil {
			return nil, "", err
		}
		if null && p.content.single() != nil {
			continue
		}
		disposition := fmt.Sprintf("form-data; name=%q", p.field)
		media := ""
		if p.file != nil {
			name, err := p.file.text(s, asItIs)
			if err != nil {
				return nil, "", err
			}
			disposition += `; filename="` + strings.NewReplacer(`\`, "_", `"`, "_", "\r", "_", "\n", "_").Replace(name) + `"`
			media = "application/octet-stream"
		}
		if p.media != nil {
			if media, err = p.media.text(s, asItIs); err != nil {
				return nil, "", err
			}
			if strings.ContainsAny(media, "\r\n") {
				return nil, "", p.media.fail(errors.New("a media type can't hold line breaks"))
			}
		}
		_, _ = io.WriteString(sum, text)
		parts = append(parts, rendered{disposition + "\x00" + media, text})
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("wrapup-" + hex.EncodeToString(sum.Sum(nil))[:40]); err != nil {
		return nil, "", err
	}
	for _, p := range parts {
		disposition, media, _ := strings.Cut(p.header, "\x00")
		h := textproto.MIMEHeader{"Content-Disposition": {disposition}}
		if media != "" {
			h.Set("Content-Type", media)
		}
		part, err := w.CreatePart(h)
		if err != nil {
			return nil, "", err
		}
		if _, err := io.WriteString(part, p.content); err != nil {
			return nil, "", err
		}
		if b.Len() > maxBodyBytes {
			return nil, "", &RenderError{Field: "multipart", Err: errBody}
		}
	}
	err := w.Close() // writes the last boundary
	return b.Bytes(), w.FormDataContentType(), err
}

// queryPair gives name=value, escaped.
func queryPair(name, value string) string {
	return url.QueryEscape(name) + "=" + url.QueryEscape(value)
}
