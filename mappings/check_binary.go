package mappings

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"wrapup/mappings/source"
)

// binary checks an operator with two sides.
func (c *checker) binary(n *ast.BinaryNode) (ast.Node, *typ) {
	truth := &typ{kind: kindBool}
	switch n.Operator {
	case "&&", "and", "||", "or":
		checked := *n // a copy: what is quoted in complaints stays as it was written
		checked.Left, checked.Right = c.condition(n.Left), c.condition(n.Right)
		return &checked, truth
	case "..", "**", "^":
		return c.complain(n, "%s is not offered in mappings", n.Operator)
	case "matches":
		left, t := c.check(n.Left)
		if !t.could(kindText) {
			return c.complain(n, "matches needs a text, not a %s", t.kind)
		}
		return call("$matches", n, left, c.pattern(n.Right)), truth
	}
	before := len(c.complaints)
	left, l := c.check(n.Left)
	right, r := c.check(n.Right)
	if len(c.complaints) > before {
		return n, typeAny()
	}
	switch n.Operator {
	case "??":
		checked := *n
		checked.Left, checked.Right = left, right
		return &checked, either(l, r)
	case "==", "!=":
		return c.equality(n, left, right, l, r), truth
	case "<", "<=", ">", ">=":
		return c.ordering(n, left, right, l, r), truth
	case "in", "not in":
		return c.membership(n, left, right, l, r), truth
	case "contains", "startsWith", "endsWith":
		if !l.could(kindText) || !r.could(kindText) {
			hint := ""
			if l.kind == kindList {
				hint = ": for a list write '…' in " + n.Left.String()
			}
			return c.complain(n, "%s needs two texts, not %s and %s%s", n.Operator, l.kind, r.kind, hint)
		}
		return call("$"+n.Operator, n, left, right), truth
	case "+":
		switch {
		case l.could(kindText) && r.could(kindText) && (l.kind == kindText || r.kind == kindText):
			return call("$add", n, left, right), &typ{kind: kindText}
		case l.kind == kindAny && r.kind == kindAny:
			return call("$add", n, left, right), typeAny()
		case !l.could(kindNumber) || !r.could(kindNumber):
			return c.complain(n, "+ needs two texts or two numbers, not %s and %s", l.kind, r.kind)
		}
	}
	name := map[string]string{"+": "$add", "-": "$sub", "*": "$mul", "/": "$div", "%": "$mod"}[n.Operator]
	if name == "" {
		return c.complain(n, "%s is not offered in mappings", n.Operator)
	}
	if !l.could(kindNumber) || !r.could(kindNumber) {
		return c.complain(n, "%s needs two numbers, not %s and %s", n.Operator, l.kind, r.kind)
	}
	return call(name, n, left, right), &typ{kind: kindNumber}
}

// equality checks == and !=. A side that is the word null makes it a question about null.
func (c *checker) equality(n *ast.BinaryNode, left, right ast.Node, l, r *typ) ast.Node {
	if n.Operator == "!=" {
		for side, other := range map[ast.Node]ast.Node{n.Left: n.Right, n.Right: n.Left} {
			if b, ok := side.(*ast.BoolNode); ok && b.Value { // it looks like !x, and is not where x is null
				node, _ := c.complain(n, "write !%s: a comparison with null is false, so this is false where it isn't known", other.String())
				return node
			}
		}
	}
	test := map[string]string{"==": "$null", "!=": "$known"}[n.Operator]
	switch {
	case r.kind == kindNull:
		return call(test, n, left)
	case l.kind == kindNull:
		return call(test, n, right)
	}
	if l.kind != r.kind && l.kind != kindAny && r.kind != kindAny {
		c.complain(n, "%s is a %s and %s is a %s: they are never equal%s",
			n.Left.String(), l.kind, n.Right.String(), r.kind, quoteHint(n, l, r))
		return n
	}
	c.never(n.Left, l, n.Right)
	c.never(n.Right, r, n.Left)
	return call(map[string]string{"==": "$eq", "!=": "$ne"}[n.Operator], n, left, right)
}

// quoteHint helps whoever wrote the digits of a text without quotes.
func quoteHint(n *ast.BinaryNode, l, r *typ) string {
	digits := func(side ast.Node) string {
		if _, ok := side.(*ast.IntegerNode); ok {
			return " (did you mean '" + side.String() + "'?)"
		}
		return ""
	}
	switch {
	case l.kind == kindText:
		return digits(n.Right)
	case r.kind == kindText:
		return digits(n.Left)
	}
	return ""
}

// never complains if a field is compared with a written text that it can't be.
func (c *checker) never(field ast.Node, t *typ, word ast.Node) {
	s, ok := word.(*ast.StringNode)
	if _, written := field.(*ast.StringNode); !ok || written || t.kind != kindText || t.only == nil ||
		slices.Contains(t.only, s.Value) {
		return
	}
	c.complain(word, "%s is never %q%s", field.String(), s.Value, source.Suggest(s.Value, t.only))
}

func (c *checker) ordering(n *ast.BinaryNode, left, right ast.Node, l, r *typ) ast.Node {
	for _, side := range []*typ{l, r} {
		switch side.kind {
		case kindBool, kindList, kindMap, kindNull:
			c.complain(n, "%s compares numbers, texts or times, not %s", n.Operator, side.kind)
			return n
		}
	}
	if l.kind != r.kind && l.kind != kindAny && r.kind != kindAny {
		c.complain(n, "%s compares a %s with a %s", n.Operator, l.kind, r.kind)
		return n
	}
	return call(map[string]string{"<": "$lt", "<=": "$le", ">": "$gt", ">=": "$ge"}[n.Operator], n, left, right)
}

func (c *checker) membership(n *ast.BinaryNode, left, right ast.Node, l, r *typ) ast.Node {
	switch {
	case r.kind == kindText:
		c.complain(n, "in needs a list, and %s is a text: write a contains b to look within a text", n.Right.String())
		return n
	case !r.could(kindList) && r.kind != kindMap:
		c.complain(n, "in needs a list, and %s is a %s", n.Right.String(), r.kind)
		return n
	}
	if list, ok := n.Right.(*ast.ArrayNode); ok {
		for _, item := range list.Nodes {
			if number, ok := item.(*ast.IntegerNode); ok && l.kind == kindText {
				c.complain(item, "%s is a text and never equals a number (did you mean '%s'?)", n.Left.String(), number.String())
				return n
			}
			c.never(n.Left, l, item)
		}
	} else if r.kind == kindList {
		if s, ok := n.Left.(*ast.StringNode); ok {
			if item := r.item(); item.only != nil && !slices.Contains(item.only, s.Value) {
				c.complain(s, "%s never holds %q%s", n.Right.String(), s.Value, source.Suggest(s.Value, item.only))
			}
		}
	}
	return call(map[string]string{"in": "$in", "not in": "$notin"}[n.Operator], n, left, right)
}
