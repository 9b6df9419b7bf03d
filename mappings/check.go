package mappings

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"wrapup/mappings/source"
)

// checker goes through an expression's tree, finds its type and what is wrong with it, and rewrites it to use the
// operators of this package. After a complaint the type is any, so that one mistake is told once.
type checker struct {
	*language
	complaints []complaint
	uses       uses
	// escapes counts the escaping functions around the place that is looked at.
	escapes int
}

func (c *checker) complain(at ast.Node, format string, args ...any) (ast.Node, *typ) {
	c.complaints = append(c.complaints, complaint{begin(at), fmt.Sprintf(format, args...)})
	return at, typeAny()
}

// begin is where a node begins; an operator with two sides is pointed at itself.
func begin(n ast.Node) int {
	switch n := n.(type) {
	case *ast.ChainNode:
		return begin(n.Node)
	case *ast.MemberNode:
		return begin(n.Node)
	case *ast.ConditionalNode:
		return begin(n.Cond)
	}
	return n.Location().From
}

// check gives the node to be run in the place of n, and its type.
func (c *checker) check(n ast.Node) (ast.Node, *typ) {
	switch n := n.(type) {
	case *ast.NilNode:
		return c.complain(n, "write null, not nil")
	case *ast.BoolNode:
		return n, &typ{kind: kindBool}
	case *ast.IntegerNode, *ast.FloatNode:
		return n, &typ{kind: kindNumber}
	case *ast.StringNode:
		return n, &typ{kind: kindText, only: []string{n.Value}}
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.ChainNode: // a?.b is a.b: access through null is null
		return c.check(n.Node)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.ArrayNode:
		return c.array(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.BuiltinNode:
		return c.complain(n, "%s is not offered in mappings", n.Name)
	case *ast.SliceNode:
		return c.complain(n, "[from:to] is not offered in mappings: use truncate or last_digits")
	case *ast.MapNode:
		return c.complain(n, "a map is written in YAML, not within ${…}")
	case *ast.VariableDeclaratorNode:
		return c.complain(n, "let is not offered in mappings")
	case *ast.SequenceNode:
		return c.complain(n, "one ${…} holds one expression: ';' is not offered")
	}
	return c.complain(n, "this can't be used in a mapping")
}

func (c *checker) identifier(n *ast.IdentifierNode) (ast.Node, *typ) {
	if n.Value == "null" {
		null := &ast.NilNode{}
		null.SetLocation(n.Location())
		return null, &typ{kind: kindNull}
	}
	if t, ok := c.roots[n.Value]; ok {
		switch n.Value {
		case "tables", "vars", "changed":
			names := "NAME"
			if len(t.fields) > 0 {
				names = t.names()[0]
			}
			return c.complain(n, "%s can't stand alone: write %s.%s%s", n.Value, n.Value, names,
				map[string]string{"tables": "[key]"}[n.Value])
		case "body":
			c.uses.wrapped = true
		case "response":
			c.uses.response, c.uses.body, c.uses.text = true, true, true
		}
		return n, t
	}
	if hint := c.hints[n.Value]; hint != "" {
		return c.complain(n, "%s", hint)
	}
	if f, ok := c.functions[n.Value]; ok {
		return c.complain(n, "%s is a function: write %s", n.Value, f.usage())
	}
	for _, root := range slices.Sorted(maps.Keys(c.roots)) {
		if _, ok := c.roots[root].fields[n.Value]; ok {
			return c.complain(n, "unknown name %q (did you mean %q?)", n.Value, root+"."+n.Value)
		}
	}
	if hint := source.Suggest(n.Value, slices.Sorted(maps.Keys(c.roots))); hint != "" {
		return c.complain(n, "unknown name %q%s", n.Value, hint)
	}
	return c.complain(n, "unknown name %q (a text stands in single quotes: '%s')", n.Value, n.Value)
}

func (c *checker) member(n *ast.MemberNode) (ast.Node, *typ) {
	if node, t := c.special(n); node != nil {
		return node, t
	}
	if root, ok := n.Node.(*ast.IdentifierNode); ok && root.Value == "auth" && c.roots["auth"] != nil {
		field, named := n.Property.(*ast.StringNode)
		c.uses.auth = true
		c.uses.token = c.uses.token || !named || field.Value == "access_token"
	}
	whole := n.Node.String()
	of, ofType := c.check(n.Node)
	key, keyType := c.check(n.Property)
	replaced := call("$get", n, of, key)
	name, named := n.Property.(*ast.StringNode)
	switch ofType.kind {
	case kindAny, kindNull:
		return replaced, typeAny()
	case kindMap:
		if ofType.fields == nil || !named {
			return replaced, typeAny()
		}
		if t, ok := ofType.fields[name.Value]; ok {
			return replaced, t
		}
		what := "field"
		if _, ok := n.Node.(*ast.IdentifierNode); ok && whole != "call" {
			what = "name in " + whole
		}
		if hint := c.hints[whole+"."+name.Value]; hint != "" {
			return c.complain(n.Property, "%s", hint)
		}
		if hint := source.Suggest(name.Value, ofType.names()); hint == "" && (whole == "secrets" || whole == "params" && ofType.declared) {
			return c.complain(n.Property, "unknown %s %q: declare it under %s:", what, name.Value, whole)
		}
		return c.complain(n.Property, "unknown %s %q%s", what, name.Value, source.Suggest(name.Value, ofType.names()))
	case kindList:
		if keyType.could(kindNumber) {
			return replaced, ofType.item()
		}
		return c.complain(n.Property, "%s is a list: write %s[0] for its first item, or sole(%s) for its only one",
			whole, whole, whole)
	}
	return c.complain(n.Property, "%s is a %s and has no fields", whole, ofType.kind)
}

// condition checks a part that decides something.
func (c *checker) condition(n ast.Node) ast.Node {
	node, t := c.check(n)
	if !t.could(kindBool) {
		c.complain(n, "%s is a %s: a condition needs true or false, compare it with something", n.String(), t.kind)
	}
	return call("$true", n, node)
}

func (c *checker) unary(n *ast.UnaryNode) (ast.Node, *typ) {
	switch n.Operator {
	case "!", "not":
		in, ok := n.Node.(*ast.BinaryNode)
		if ok && in.Operator == "in" && in.Location() == n.Location() { // a not in b, unlike not (a in b)
			negated := *in
			negated.Operator = "not in"
			return c.binary(&negated)
		}
		return call("$not", n, c.condition(n.Node)), &typ{kind: kindBool}
	}
	node, t := c.check(n.Node)
	if !t.could(kindNumber) {
		return c.complain(n, "%s needs a number, not a %s", n.Operator, t.kind)
	}
	if n.Operator == "+" {
		return node, &typ{kind: kindNumber}
	}
	return call("$neg", n, node), &typ{kind: kindNumber}
}

func (c *checker) conditional(n *ast.ConditionalNode) (ast.Node, *typ) {
	if !n.Ternary {
		return c.complain(n.Cond, "if … else is not offered in mappings: write condition ? value : other")
	}
	checked := *n // a copy: what is quoted in complaints stays as it was written
	var yes, no *typ
	checked.Cond = c.condition(n.Cond)
	checked.Exp1, yes = c.check(n.Exp1)
	checked.Exp2, no = c.check(n.Exp2)
	return &checked, either(yes, no)
}

func (c *checker) array(n *ast.ArrayNode) (ast.Node, *typ) {
	checked := *n
	checked.Nodes = make([]ast.Node, len(n.Nodes))
	t := &typ{kind: kindList, elem: &typ{kind: kindNull}}
	for i := range n.Nodes {
		var item *typ
		checked.Nodes[i], item = c.check(n.Nodes[i])
		t.elem = either(t.elem, item)
	}
	return &checked, t
}

// maxEscapes is how many functions that escape a text may stand within each other, such as json within html.
const maxEscapes = 2

func (c *checker) call(n *ast.CallNode) (ast.Node, *typ) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return c.complain(n, "%s is no function: functions stand alone, such as upper(call.queue)", n.Callee.String())
	}
	f, ok := c.functions[callee.Value]
	if !ok {
		for _, arg := range n.Arguments {
			c.check(arg)
		}
		return c.complain(n, "unknown function %q%s", callee.Value, c.insteadOf(callee.Value))
	}
	if !f.takes(len(n.Arguments)) {
		return c.complain(n, "%s takes %s: write %s", callee.Value, f.count(), f.usage())
	}
	if f.escapes {
		if c.escapes == maxEscapes {
			return c.complain(n, "%s stands within other escaping functions: one is enough for each language", callee.Value)
		}
		c.escapes++
		defer func() { c.escapes-- }()
	}
	checked := *n
	checked.Arguments = make([]ast.Node, len(n.Arguments))
	result := f.result
	for i, arg := range n.Arguments {
		node, t := c.check(arg)
		p := f.param(i)
		switch {
		case p.prepare != nil:
			node = c.prepared(arg, p)
		case p.kind != kindAny && !t.could(p.kind):
			c.complain(arg, "%s needs a %s, and %s is a %s", callee.Value, p.kind, arg.String(), t.kind)
		case p.literal != nil:
			if v, known := c.constant(arg); known && v != nil {
				if err := p.literal(v); err != nil {
					c.complain(arg, "%s %s", callee.Value, err)
				}
			}
		}
		checked.Arguments[i] = node
		switch {
		case f.like && i == 0:
			result = t
		case f.like:
			result = either(result, t)
		}
	}
	if result == nil {
		result = typeAny()
	}
	return &checked, result
}

// insteadOf says what to use instead of a function that isn't there; some are known from elsewhere.
func (c *checker) insteadOf(name string) string {
	switch name {
	case "first":
		return " (the first item of a list is list[0])"
	case "last":
		return " (the last item of a list is list[-1])"
	case "date", "duration":
		return " (did you mean \"date_in\" or \"format\"?)"
	case "round", "floor", "ceil", "int":
		return " (seconds, millis and minutes round a duration)"
	case "if", "IF", "iif", "IIF":
		return " (write condition ? value : other)"
	case "len", "count", "size", "length":
		return " (whether a list is empty says list[0] == null)"
	case "now":
		return " (a mapping has no clock: the same call always gives the same request)"
	}
	return source.Suggest(name, slices.Sorted(maps.Keys(c.functions)))
}

// prepared turns an argument that has to be known at load (a time zone, a layout) into what the function works with.
func (c *checker) prepared(arg ast.Node, p param) ast.Node {
	value, ok := c.constant(arg)
	if ok && value == nil && c.unbound {
		null := &ast.NilNode{} // a parameter that the destination is going to give
		null.SetLocation(arg.Location())
		return null
	}
	s, isText := value.(string)
	if !ok || !isText {
		c.complain(arg, "%s must be written out in single quotes, or be one of params", p.name)
		return arg
	}
	made, err := p.prepare(s)
	if err != nil {
		c.complain(arg, "%s", err.Error())
		return arg
	}
	n := &ast.ConstantNode{Value: made}
	n.SetLocation(arg.Location())
	return n
}

// constant gives the value of a node that is known at load.
func (c *checker) constant(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Value, true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		v, ok := c.constant(n.Node)
		if _, isNumber := number(v); !ok || !isNumber || n.Operator != "-" {
			return nil, false
		}
		negated, err := arithmetic("-", 0, v)
		return negated, err == nil
	case *ast.IdentifierNode:
		v, ok := c.constants[n.Value]
		return v, ok
	case *ast.MemberNode:
		of, ok := c.constant(n.Node)
		key, known := c.constant(n.Property)
		return get(of, key), ok && known
	}
	return nil, false
}

const maxPatternBytes = 500

// pattern compiles the right side of matches.
func (c *checker) pattern(n ast.Node) ast.Node {
	return c.prepared(n, param{name: "the pattern", prepare: func(s string) (any, error) {
		if len(s) > maxPatternBytes {
			return nil, fmt.Errorf("a pattern may have %d characters at most", maxPatternBytes)
		}
		re, err := regexp.Compile(s)
		if err != nil {
			return nil, fmt.Errorf("this is no regular expression: %s",
				strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return re, nil
	}})
}
