package mappings

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// An expression is short: what needs more is written as several values.
const (
	maxExpressionBytes = 4096
	maxExpressionNodes = 500
)

// environment holds what expressions can see, by name.
type environment map[string]any

// expression is the code of one "${…}", ready to run.
type expression struct {
	code    string
	program *vm.Program
	typ     *typ
}

// run evaluates the expression.
func (e *expression) run(env environment) (any, error) {
	v, err := vm.Run(e.program, map[string]any(env))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.code, plain(err))
	}
	return v, nil
}

// plain takes off what the vm wraps around an error: its own position and a picture of the code.
func plain(err error) error {
	if at, ok := errors.AsType[*file.Error](err); ok {
		if at.Prev != nil {
			return at.Prev
		}
		return errors.New(at.Message)
	}
	return err
}

// language compiles expressions against what can be seen at one place of a mapping.
type language struct {
	// roots are the names that expressions begin with, and their types.
	roots map[string]*typ
	// constants are the roots whose values are known at load.
	constants map[string]any
	functions map[string]function
	// unbound says that constants may be missing, for nothing is going to be run.
	unbound bool
	config  *conf.Config
}

func newLanguage(roots map[string]*typ, constants map[string]any) *language {
	l := &language{roots: roots, constants: constants, functions: functions(), config: conf.New(map[string]any{})}
	l.config.MaxNodes = maxExpressionNodes
	l.config.Optimize = false // its rewrites know nothing of null
	// expr's own functions are off, also where a name is the same: those here treat null by the rules of mappings.
	for _, f := range builtin.Builtins {
		l.config.Disabled[f.Name] = true
	}
	clear(l.config.Builtins)
	for name, op := range operators() {
		l.config.Functions[name] = &builtin.Function{Name: name, Func: op}
	}
	for name, f := range l.functions {
		l.config.Functions[name] = &builtin.Function{Name: name, Func: f.run}
	}
	return l
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
	tree.Node = node
	program, err := compiler.Compile(tree, l.config)
	if err != nil {
		what, _, _ := strings.Cut(err.Error(), "\n")
		return nil, []complaint{{0, what}}
	}
	return &expression{code: strings.TrimSpace(code), program: program, typ: t}, nil
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
	return nil, &complaint{at.From, syntaxAdvice(at.Message)}
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
