package nxcloud

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// scanner finds the values in a JSON text, without recursion and in one pass, so that a hostile body costs no more than
// its length. What it returns is a part of the body, checked for syntax but not for UTF-8.
type scanner struct {
	body []byte
	pos  int
}

func (s *scanner) atEnd() bool { return s.pos >= len(s.body) }

// space skips white space.
func (s *scanner) space() {
	for s.pos < len(s.body) {
		switch s.body[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// accept skips the byte c if it comes next.
func (s *scanner) accept(c byte) bool {
	if s.atEnd() || s.body[s.pos] != c {
		return false
	}
	s.pos++
	return true
}

// unexpected is the error that something other than want comes next.
func (s *scanner) unexpected(want string) *EventError {
	if s.atEnd() {
		return &EventError{Value: fmt.Sprintf("the body ends at byte %d", len(s.body)), Want: want}
	}
	return &EventError{Value: fmt.Sprintf("%s at byte %d", excerpt(s.body[s.pos:min(s.pos+10, len(s.body))]), s.pos), Want: want}
}

// object reads the object that comes next and calls member for each name (unquoted) and value (as sent). The error names
// the field that it happened in.
func (s *scanner) object(member func(name, value []byte)) *EventError {
	s.pos++
	s.space()
	if s.accept('}') {
		return nil
	}
	for {
		s.space()
		if s.atEnd() || s.body[s.pos] != '"' {
			return s.unexpected("a field's name in quotes")
		}
		raw, err := s.text()
		if err != nil {
			return err
		}
		name, _ := unquote(raw)
		s.space()
		if !s.accept(':') {
			return inField(name, s.unexpected(`":"`))
		}
		s.space()
		value, err := s.value("a value")
		if err != nil {
			return inField(name, err)
		}
		member(name, value)
		s.space()
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return inField(name, s.unexpected(`"," or "}" after the value`))
		}
	}
}

func inField(name []byte, e *EventError) *EventError {
	e.Field = string(name)
	return e
}

// value reads the value that comes next; want says what it should be.
func (s *scanner) value(want string) ([]byte, *EventError) {
	if s.atEnd() {
		return nil, s.unexpected(want)
	}
	switch s.body[s.pos] {
	case '"':
		return s.text()
	case '{', '[':
		return s.nested()
	default:
		return s.scalar(want)
	}
}

// text reads a string, quotes included.
func (s *scanner) text() ([]byte, *EventError) {
	start, escapes := s.pos, false
	for s.pos++; s.pos < len(s.body); s.pos++ {
		switch c := s.body[s.pos]; {
		case c == '"':
			s.pos++
			raw := s.body[start:s.pos]
			if escapes && !json.Valid(raw) {
				return nil, &EventError{Value: excerpt(raw), Want: "a string with valid escapes"}
			}
			return raw, nil
		case c == '\\':
			escapes = true
			s.pos++
		case c < ' ':
			return nil, s.unexpected("control characters in a string to be escaped")
		}
	}
	return nil, s.unexpected("the string to end")
}

// nested reads an array or an object.
func (s *scanner) nested() ([]byte, *EventError) {
	start, depth := s.pos, 0
	for s.pos < len(s.body) {
		switch s.body[s.pos] {
		case '"':
			if _, err := s.text(); err != nil {
				return nil, err
			}
			continue
		case '{', '[':
			if depth++; depth > MaxDepth {
				return nil, &EventError{Value: excerpt(s.body[start:]), Want: wantDepth}
			}
		case '}', ']':
			depth--
		}
		s.pos++
		if depth == 0 {
			raw := s.body[start:s.pos]
			if !json.Valid(raw) {
				return nil, &EventError{Value: excerpt(raw), Want: "valid JSON"}
			}
			return raw, nil
		}
	}
	return nil, s.unexpected("the array or object to end")
}

// scalar reads a number, true, false or null.
func (s *scanner) scalar(want string) ([]byte, *EventError) {
	start := s.pos
	length := bytes.IndexAny(s.body[start:], " \t\r\n,:\"[]{}")
	if length < 0 {
		length = len(s.body) - start
	}
	raw := s.body[start : start+length]
	if plain := isDigits(raw) && (raw[0] != '0' || len(raw) == 1); !plain && !json.Valid(raw) {
		return nil, s.unexpected(want)
	}
	s.pos += length
	return raw, nil
}
