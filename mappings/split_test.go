package mappings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		in       string
		want     []piece
		unclosed int
	}{
		{"", nil, -1},
		{"text", []piece{{text: "text"}}, -1},
		{"${a}", []piece{{true, "a", 2}}, -1},
		{"x ${a}${b} y", []piece{{text: "x "}, {true, "a", 4}, {true, "b", 8}, {text: " y", at: 10}}, -1},
		{"$${a}", []piece{{text: "${a}"}}, -1},
		{"$5 and $", []piece{{text: "$5 and $"}}, -1},
		{"${'}' + \"}\" + `}`}", []piece{{true, "'}' + \"}\" + `}`", 2}}, -1},
		{`${'it\'s }'}`, []piece{{true, `'it\'s }'`, 2}}, -1},
		{"${ {a: {}} }", []piece{{true, " {a: {}} ", 2}}, -1},
		{"FIND {${a}} IN", []piece{{text: "FIND {"}, {true, "a", 8}, {text: "} IN", at: 10}}, -1},
		{"x ${a", []piece{{text: "x "}}, 2},
		{"${'a}", nil, 0},
	} {
		got, unclosed := split(c.in)
		assert.Equal(t, c.want, got, c.in)
		assert.Equal(t, c.unclosed, unclosed, c.in)
	}
}

// TestSplitAgain puts texts and expressions together and takes them apart again.
func TestSplitAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var written strings.Builder
		var want []piece
		for i, n := 0, rapid.IntRange(0, 5).Draw(t, "pairs"); i < n; i++ {
			literal := rapid.StringMatching(`([a-z#: }"'é]|\$[a-z {]){0,8}`).Draw(t, "literal")
			if literal != "" {
				want = append(want, piece{text: literal, at: written.Len()})
				written.WriteString(strings.ReplaceAll(literal, "${", "$${"))
			}
			code := rapid.StringMatching(`([a-z.]|'[a-z}{é]*'|\{[a-z]*\}){1,5}`).Draw(t, "code")
			want = append(want, piece{code: true, text: code, at: written.Len() + 2})
			written.WriteString("${" + code + "}")
		}
		got, unclosed := split(written.String())
		assert.Equal(t, want, got)
		assert.Equal(t, -1, unclosed)
	})
}

// FuzzCompile looks for an expression that brings the loader down, or that does when it is run.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"${call.outcome == 'busy' ? 1 : [2, call.x]}", "a ${upper(call.queue)[0]} $${", "${'\\", "${a?.b.c[1:2]}",
		"${not (call.queue in call.flags) | f()}", "${-call.attempt ** 2}", "${# .a}", "${{a: 1}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := &loader{file: "fuzz.yaml", vars: map[int]int{}, language: newLanguage(newGrammar(),
			map[string]*typ{"call": recordType(), "params": {kind: kindMap}}, nil)}
		at := place{line: 1, column: 1}
		tmpl := l.templateText(s, at, false)
		assert.Equal(t, tmpl == nil, l.problems.Err() != nil)
		if tmpl != nil {
			_, _ = tmpl.value(&scope{m: &Mapping{params: object{}}, record: example2()})
		}
	})
}
