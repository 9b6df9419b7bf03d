package configs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const referenceHead = `# Keys of wrapup.yaml

Generated from the code: ` + "`go test ./configs -run Reference -update`" + `. A name behind a key is the environment variable that sets it, too.
`

// Each key that the loader knows is explained, by the comment of its field, and no other is.
func TestReference(t *testing.T) {
	r := referenceWriter{t: t, comments: fieldComments(t)}
	r.WriteString(referenceHead)
	r.section(reflect.TypeFor[Config](), "", "", true)
	if *update {
		require.NoError(t, os.WriteFile("reference.md", []byte(r.String()), 0o600))
	}
	page, err := os.ReadFile("reference.md")
	require.NoError(t, err)
	assert.Equal(t, r.String(), string(page), "go test ./configs -run Reference -update")
}

// Seen from outside: what the reference names, the loader takes, whatever it says of the value; and what is left out of the
// reference, the loader doesn't know.
func TestReferenceNamesWhatTheLoaderTakes(t *testing.T) {
	keys := regexp.MustCompile("(?m)^(?:## `([^`]+)`$|- (`[^(]+) \\()")
	names := regexp.MustCompile("`([^`]+)`")
	above, count := "", 0
	for _, m := range keys.FindAllStringSubmatch(Reference(), -1) {
		if m[1] != "" {
			above = m[1] + "."
			assert.Empty(t, unknownKeys(t, m[1]), m[1])
			continue
		}
		for _, name := range names.FindAllStringSubmatch(m[2], -1) {
			count++
			assert.Empty(t, unknownKeys(t, above+name[1]), above+name[1])
			assert.NotEmpty(t, unknownKeys(t, above+name[1]+"x"), "this test tests nothing: %s", above+name[1])
		}
	}
	assert.Greater(t, count, 70)
}

// unknownKeys loads a file with the one key, and gives the problems that say that a key isn't known.
func unknownKeys(t *testing.T, path string) (said []string) {
	t.Helper()
	text := "null"
	parts := strings.Split(path, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		key, list := strings.CutSuffix(parts[i], "[]")
		if list && i < len(parts)-1 {
			text = "[" + text + "]"
		}
		text = "{" + key + ": " + text + "}"
	}
	file := filepath.Join(t.TempDir(), "wrapup.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	_, problems := Load(Input{Path: file})
	for _, p := range problems {
		if strings.Contains(p.What, "unknown key") {
			said = append(said, p.What)
		}
	}
	return said
}

// fieldComments gives the comments of the fields of this package's structs, by struct and field.
func fieldComments(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, name := range []string{"config.go", "auth.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				fields := map[string]string{}
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						fields[id.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
					}
				}
				all[spec.Name.Name] = fields
			}
			return true
		})
	}
	return all
}

// referenceWriter writes the reference, a section for each struct.
type referenceWriter struct {
	strings.Builder
	t        *testing.T
	comments map[string]map[string]string
}

// section writes the keys of a struct, and then those of the structs that they hold. alone says that a variable can set them.
func (r *referenceWriter) section(typ reflect.Type, path, doc string, alone bool) {
	if path != "" {
		fmt.Fprintf(r, "\n## `%s`\n\n%s\n", path, doc)
	}
	var below []func()
	var names, docs []string // of the key whose line is being written, and of those that share its comment
	line := func() {
		if len(names) > 0 {
			fmt.Fprintf(r, "- %s: %s\n", strings.Join(names, ", "), strings.Join(docs, " "))
		}
		names, docs = nil, nil
	}
	r.WriteString("\n")
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		comment := inKeys(r.comments[typ.Name()][f.Name], typ)
		if comment == "" && !strings.Contains(strings.Join(docs, " "), "**"+key+"**") {
			r.t.Errorf("%s.%s has no comment, and that of the field before it doesn't name it", typ.Name(), f.Name)
		}
		inner, at := f.Type, strings.TrimPrefix(path+"."+key, ".")
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		secret, _ := isSecret(inner)
		switch {
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct && inner != secretsType && !isLeaf(inner.Elem()):
			below = append(below, func() { r.section(inner.Elem(), at+"[]", comment, false) })
		case inner.Kind() == reflect.Map && inner.Elem().Kind() == reflect.Struct && !isLeaf(inner.Elem()):
			below = append(below, func() { r.section(inner.Elem(), at+"."+strings.ToUpper(typeName(inner.Elem())), comment, false) })
		case inner.Kind() == reflect.Struct && !secret && !isLeaf(inner):
			below = append(below, func() { r.section(inner, at, comment, alone && f.Type.Kind() == reflect.Struct) })
		default:
			if comment != "" {
				line()
				docs = []string{comment}
			}
			names = append(names, fmt.Sprintf("`%s` (%s)", key, r.about(f, inner, at, alone && isLeaf(inner) && !secret)))
		}
	}
	line()
	for _, write := range below {
		write()
	}
}

// about gives what stands behind a key: the kind of its value, its default and its variable.
func (r *referenceWriter) about(f reflect.StructField, typ reflect.Type, path string, variable bool) string {
	said := kindOf(typ)
	if of := strings.Fields(f.Tag.Get("oneof")); len(of) > 0 {
		said = "`" + strings.Join(of, "`, `") + "`"
		if i := strings.LastIndex(said, ", "); i > 0 {
			said = said[:i] + " or" + said[i+1:]
		}
	}
	if value := f.Tag.Get("default"); value != "" {
		said += "; default `" + value + "`"
	}
	if variable {
		said += "; `" + setting{keys: strings.Split(path, ".")}.env() + "`"
	}
	return said
}

func kindOf(typ reflect.Type) string {
	switch {
	case typ == secretsType:
		return "secret, or a list of them"
	case typ == secretType || typ == keyType:
		return "secret"
	case typ == urlType:
		return "address, or a secret"
	case typ == textType:
		return "text, or a secret"
	case typ == percentType:
		return "share"
	case typ.Kind() == reflect.Slice:
		return "list"
	case typ.Kind() == reflect.Map && typ.Elem() == secretType:
		return "names and secrets"
	case typ.Kind() == reflect.Map && typ.Elem() == textType:
		return "names, and texts or secrets"
	case typ.Kind() == reflect.Map:
		return "names and values"
	case typ.Kind() == reflect.Int:
		return "whole number"
	case typ.Kind() == reflect.String:
		return "text"
	default:
		return typeName(typ)
	}
}

// typeName gives "duration" of Duration.
func typeName(typ reflect.Type) string { return strings.ToLower(typ.Name()) }

// inKeys puts the keys of a struct in the place of the names of its fields, and leaves out "NAME is" where it begins so.
func inKeys(comment string, typ reflect.Type) string {
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() && key != "-" {
			comment = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(comment, "**"+key+"**")
		}
	}
	if m := regexp.MustCompile(`^\*\*\w+\*\* (?:is|are) (.)(.*)$`).FindStringSubmatch(comment); m != nil && !strings.Contains(m[2], "**") {
		return strings.ToUpper(m[1]) + m[2]
	}
	return comment
}
