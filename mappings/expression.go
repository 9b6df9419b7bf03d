package mappings

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
)

// An expression is short: what needs more is written as several values.
const (
	maxExpressionBytes = 4096
	maxExpressionNodes = 500
)

// expression is the code of one "${…}", ready to run.
type expression struct {
	code string
	eval eval
	typ  *typ
	uses uses
	// field is the field of the call that the expression consists of, nil if it is more.
	field *recordField
}

// uses is what an expression looks at, as far as that matters elsewhere.
type uses struct {
	// body and text say that it reads the answer's body, as JSON or as it is.
	body, text bool
	// response says that it reads anything of the answer.
	response bool
	// wrapped says that it reads what each.wrap stands around.
	wrapped bool
	// auth and token say that it reads the token answer, or the access token in it.
	auth, token bool
	// vars counts the vars that it names.
	vars map[int]int
}

// text evaluates the expression as a text, and says whether it is null.
func (e *expression) text(s *scope) (word string, null bool, err error) {
	if e.field != nil {
		if word, null, isText := e.field.text(s.record); isText {
			return word, null, nil
		}
	}
	v, err := e.run(s)
	if err != nil {
		return "", false, err
	}
	if word, err = text(v); err != nil {
		return "", false, fmt.Errorf("%s %w", e.code, err)
	}
	return word, v == nil, nil
}

// run evaluates the expression.
func (e *expression) run(s *scope) (any, error) {
	v, err := e.eval(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.code, err)
	}
	return v, nil
}

// grammar is what is the same at all places of a mapping.
type grammar struct {
	functions map[string]function
	operators map[string]func(args ...any) (any, error)
	config    *conf.Config
}

func newGrammar() *grammar {
	g := &grammar{functions: functions(), operators: operators(), config: conf.New(map[string]any{})}
	g.config.MaxNodes = maxExpressionNodes
	// expr's own functions are off, also where a name is the same: those here treat null by the rules of mappings.
	for _, f := range builtin.Builtins {
		g.config.Disabled[f.Name] = true
	}
	clear(g.config.Builtins)
	for name := range g.functions {
		g.config.Functions[name] = &builtin.Function{Name: name}
	}
	return g
}

// language compiles expressions against what can be seen at one place of a mapping.
type language struct {
	*grammar
	// roots are the names that expressions begin with, and their types.
	roots map[string]*typ
	// constants are the roots whose values are known at load.
	constants map[string]any
	// hints say of names that can't be seen here why that is so.
	hints map[string]string
	// unbound says that constants may be missing, for nothing is going to be run.
	unbound bool
}

func newLanguage(g *grammar, roots map[string]*typ, constants map[string]any) *language {
	return &language{grammar: g, roots: roots, constants: constants}
}

// with gives a language that sees more names.
func (l *language) with(roots map[string]*typ) *language {
	more := *l
	more.roots = maps.Clone(l.roots)
	maps.Copy(more.roots, roots)
	return &more
}

// storing gives a language without what must not be stored.
func (l *language) storing() *language {
	less := l.with(nil)
	less.hints = maps.Clone(l.hints)
	if less.hints == nil {
		less.hints = map[string]string{}
	}
	for _, name := range []string{"secrets", "auth", "session"} {
		if less.roots[name] != nil {
			delete(less.roots, name)
			less.hints[name] = name + " is not seen in save: what is saved is stored with the call, and shown"
		}
	}
	return less
}

// complaint is something wrong within an expression, at a character of its code.
type complaint struct {
	at   int // in runes
	what string
}

// compile checks an expression and makes it ready to run. The expression is nil if there are complaints.
func (l *language) compile(code string) (*expression, []complaint) {
	if strings.TrimSpace(code) == "" {
		return nil, []complaint{{0, "there is nothing between ${ and }"}}
	}
	if len(code) > maxExpressionBytes {
		return nil, []complaint{{0, fmt.Sprintf("an expression may have %d characters at most", maxExpressionBytes)}}
	}
	tree, bad := l.parse(code)
	if bad != nil {
		return nil, []complaint{*bad}
	}
	c := &checker{language: l}
	node, t := c.check(tree.Node)
	if len(c.complaints) > 0 {
		return nil, c.complaints
	}
	run, err := l.assemble(node)
	if err != nil {
		return nil, []complaint{{0, err.Error()}}
	}
	return &expression{code: strings.TrimSpace(code), eval: run, typ: t, uses: c.uses, field: fieldOf(node)}, nil
}

// parse reads the code and says in words for people what is wrong with its form.
func (l *language) parse(code string) (tree *parser.Tree, bad *complaint) {
	defer func() {
		if r := recover(); r != nil { // the parser doesn't guard itself
			tree, bad = nil, &complaint{0, "this expression can't be read"}
		}
	}()
	config := *l.config
	config.Functions = maps.Clone(l.config.Functions)
	tree, err := parser.ParseWithConfig(code, &config)
	if err == nil {
		return tree, nil
	}
	at, ok := errors.AsType[*file.Error](err)
	if !ok {
		return nil, &complaint{0, err.Error()}
	}
	return nil, &complaint{at.From, cmp.Or(otherLanguage(code, at.From), syntaxAdvice(at.Message))}
}

// otherLanguage says how what stands at a character is written here, if it is known from spreadsheets, SQL or word
// processors; else it is "".
func otherLanguage(code string, at int) string {
	rest := string([]rune(code)[min(at, len([]rune(code))):])
	first, _ := utf8.DecodeRuneInString(rest)
	if rest != "" && strings.ContainsRune(curly, first) {
		return "a text stands in straight quotes ', not in ‘ ’ or “ ”"
	}
	const ternary = "write condition ? value : other for if, then and else"
	if begin := strings.TrimSpace(code); strings.HasPrefix(begin, "if ") || strings.HasPrefix(begin, "if(") {
		return ternary
	}
	word := rest[:len(rest)-len(strings.TrimLeftFunc(rest, letterOrDigit))]
	switch strings.ToLower(word) {
	case "and":
		return "write && for " + word
	case "or":
		return "write || for " + word
	case "is", "equals", "eq":
		return "write == for " + word + ", and == null where nothing is known"
	case "isnt", "ne":
		return "write != for " + word
	case "then", "else", "if":
		return ternary
	}
	if strings.HasPrefix(rest, "<>") || strings.HasPrefix(rest, ">") && strings.HasSuffix(strings.TrimRight(string([]rune(code)[:at]), " "), "<") {
		return "write != for <>"
	}
	return ""
}

// syntaxAdvice says what a message of the parser means for somebody who doesn't program.
func syntaxAdvice(message string) string {
	switch {
	case strings.Contains(message, "EOF"):
		return "the expression stops in the middle"
	case strings.Contains(message, "literal not terminated"):
		return "a text is not closed: the single quote at its end is missing"
	case strings.Contains(message, "char escape"), strings.Contains(message, "unescape"):
		return `a \ within a text is written twice, and in YAML's double quotes that makes \\\\: rather write [0-9] than \d`
	case strings.Contains(message, "exceeds maximum allowed nodes"):
		return "the expression is too long: write it as several values"
	case strings.Contains(message, "cannot be mixed"):
		return "?? needs parentheses around it when it stands beside another operator: (a ?? b) == c"
	case strings.Contains(message, `Operator("=")`):
		return "write == to compare"
	case strings.Contains(message, `Operator("#")`), strings.Contains(message, `Operator(".")`):
		return "this can't stand here; a field is written like call.outcome"
	case strings.HasPrefix(message, "unexpected token "):
		_, token, _ := strings.Cut(message, `("`)
		return fmt.Sprintf("%q can't stand here", strings.TrimSuffix(token, `")`))
	}
	return message
}

// call makes a node that calls a function or an operator.
func call(name string, at ast.Node, args ...ast.Node) ast.Node {
	n := &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
	n.SetLocation(at.Location())
	return n
}
