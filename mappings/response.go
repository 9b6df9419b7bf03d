package mappings

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// response is what expressions see of an answer.
type response struct {
	status  int
	headers http.Header
	text    string
	body    any
	// empty says that there is no body, parsed that the body is whole and JSON.
	empty, parsed bool
}

func newResponse(a Answer) *response {
	r := &response{status: a.Status, headers: a.Header, text: strings.ToValidUTF8(string(a.Body), "�")}
	r.empty = strings.TrimSpace(r.text) == ""
	if !a.Cut && !r.empty && len(r.text) <= maxAnswerBytes {
		r.body, r.parsed = parseJSON(r.text)
	}
	return r
}

// get gives a part of the answer by name.
func (r *response) get(name string) any {
	switch name {
	case "status":
		return r.status
	case "headers":
		return r.headers
	case "text":
		return r.text
	case "body":
		return r.body
	}
	return nil
}

const (
	// maxAnswerBytes bounds what is read of an answer; target cuts it long before.
	maxAnswerBytes = 8 << 20
	// maxAnswerValues bounds how many values an answer may hold, for each takes more memory than it has bytes.
	maxAnswerValues = 100_000
	maxAnswerDepth  = 200
)

// parseJSON reads an answer. Numbers keep their digits, maps their order.
func parseJSON(s string) (any, bool) {
	s = strings.TrimPrefix(s, "\ufeff")
	if !json.Valid([]byte(s)) {
		return nil, false
	}
	p := &jsonReader{s: s}
	v := p.value(0)
	return v, !p.tooMuch
}

// jsonReader goes through JSON that is known to be valid.
type jsonReader struct {
	s       string
	at      int
	values  int
	tooMuch bool
}

func (p *jsonReader) space() {
	for p.at < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.at]) >= 0 {
		p.at++
	}
}

func (p *jsonReader) value(depth int) any {
	p.space()
	p.values++
	if depth > maxAnswerDepth || p.values > maxAnswerValues || p.tooMuch {
		p.tooMuch = true
		return nil
	}
	switch p.s[p.at] {
	case '{':
		return p.object(depth)
	case '[':
		return p.list(depth)
	case '"':
		return p.string()
	case 't':
		p.at += len("true")
		return true
	case 'f':
		p.at += len("false")
		return false
	case 'n':
		p.at += len("null")
		return nil
	}
	begin := p.at
	for p.at < len(p.s) && strings.IndexByte("+-.eE0123456789", p.s[p.at]) >= 0 {
		p.at++
	}
	return json.Number(p.s[begin:p.at])
}

// more steps over what stands between two items, and says whether another one follows.
func (p *jsonReader) more(end byte) bool {
	p.space()
	c := p.s[p.at]
	p.at++
	if c == ',' {
		p.space()
		return true
	}
	return c != end
}

func (p *jsonReader) object(depth int) any {
	o := object{}
	p.at++
	if p.space(); p.s[p.at] == '}' {
		p.at++
		return o
	}
	for {
		key := p.string()
		p.space()
		p.at++ // the colon
		o = append(o, member{key, p.value(depth + 1)})
		if p.tooMuch || !p.more('}') {
			return o
		}
	}
}

func (p *jsonReader) list(depth int) any {
	list := []any{}
	p.at++
	if p.space(); p.s[p.at] == ']' {
		p.at++
		return list
	}
	for {
		list = append(list, p.value(depth+1))
		if p.tooMuch || !p.more(']') {
			return list
		}
	}
}

func (p *jsonReader) string() string {
	begin, escaped := p.at, false
	for p.at++; p.s[p.at] != '"'; p.at++ {
		if p.s[p.at] == '\\' {
			escaped = true
			p.at++
		}
	}
	p.at++
	if !escaped {
		return p.s[begin+1 : p.at-1]
	}
	var s string
	if err := json.Unmarshal([]byte(p.s[begin:p.at]), &s); err != nil {
		return ""
	}
	return s
}

// headerValue gives a header, null if it is not there.
func headerValue(h http.Header, name string) any {
	values := h.Values(name)
	if len(values) == 0 {
		return nil
	}
	return strings.Join(values, ", ")
}

// secondsOf reads whole or broken seconds from a text.
func secondsOf(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && f >= 0 && f < 1e12
}
