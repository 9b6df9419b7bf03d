package mappings

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

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
	if differ(l.kind, r.kind) {
		c.complain(n, "%s is a %s and %s is a %s: they are never equal%s",
			n.Left.String(), l.kind, n.Right.String(), r.kind, cmp.Or(kindHint(n.Right, l.kind), kindHint(n.Left, r.kind)))
		return n
	}
	if of, ok := shapeless(n, l, r); ok {
		item := map[bool]string{true: "[0]"}[l.kind == kindList || r.kind == kindList] // null where a list is empty
		c.complain(n, "a list or a map is never equal to another: write %s%s %s null, or compare what is in it", of.String(), item, n.Operator)
		return n
	}
	if of, ok := blank(n, l, r); ok {
		c.complain(n, "%s is never '': what isn't known is null, so write %s %s null", of.String(), of.String(), n.Operator)
		return n
	}
	c.never(n.Left, l, n.Right)
	c.never(n.Right, r, n.Left)
	return call(map[string]string{"==": "$eq", "!=": "$ne"}[n.Operator], n, left, right)
}

// differ says that two kinds are known and not the same.
func differ(a, b kind) bool {
	return a != b && a != kindAny && b != kindAny && a != kindNull && b != kindNull
}

// literalKind is the kind of what is written out; any for all else.
func literalKind(n ast.Node) kind {
	switch n := n.(type) {
	case *ast.StringNode:
		return kindText
	case *ast.IntegerNode, *ast.FloatNode:
		return kindNumber
	case *ast.BoolNode:
		return kindBool
	case *ast.UnaryNode:
		if n.Operator == "-" || n.Operator == "+" {
			return kindNumber
		}
	}
	return kindAny
}

// kindHint helps whoever wrote the digits of a text without quotes, or a number or true with them.
func kindHint(written ast.Node, want kind) string {
	switch n := written.(type) {
	case *ast.IntegerNode:
		if want == kindText {
			return " (did you mean '" + n.String() + "'?)"
		}
	case *ast.StringNode:
		_, isNumber := number(json.Number(n.Value))
		if want == kindNumber && isNumber || want == kindBool && (n.Value == "true" || n.Value == "false") {
			return " (did you mean " + n.Value + "?)"
		}
	}
	return ""
}

// shapeless gives the side that is a list or a map, of which == is never true.
func shapeless(n *ast.BinaryNode, l, r *typ) (ast.Node, bool) {
	_, written := n.Left.(*ast.ArrayNode)
	switch {
	case (l.kind == kindList || l.kind == kindMap) && !written:
		return n.Left, true
	case r.kind == kindList || r.kind == kindMap:
		if _, written := n.Right.(*ast.ArrayNode); written {
			return n.Left, true
		}
		return n.Right, true
	}
	return n.Right, written
}

// blank gives the side that is a field which is never empty, if the other one is an empty text.
func blank(n *ast.BinaryNode, l, r *typ) (ast.Node, bool) {
	empty := func(side ast.Node) bool {
		s, ok := side.(*ast.StringNode)
		return ok && s.Value == ""
	}
	switch {
	case l.filled && empty(n.Right):
		return n.Left, true
	case r.filled && empty(n.Left):
		return n.Right, true
	}
	return nil, false
}

// never complains if a field is compared with a written text that it can't be.
func (c *checker) never(field ast.Node, t *typ, word ast.Node) {
	s, ok := word.(*ast.StringNode)
	if _, written := field.(*ast.StringNode); !ok || written || t.kind != kindText || t.only == nil ||
		slices.Contains(t.only, s.Value) {
		return
	}
	hint := source.Suggest(s.Value, t.only)
	if hint == "" {
		hint = ": it is one of " + strings.Join(t.only, ", ")
	}
	c.complain(word, "%s is never %q%s", field.String(), s.Value, hint)
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
			if k := literalKind(item); differ(l.kind, k) {
				c.complain(item, "%s is a %s and never equals a %s%s", n.Left.String(), l.kind, k, kindHint(item, l.kind))
				return n
			}
			c.never(n.Left, l, item)
		}
		return c.contained(n, left, right)
	}
	holds := r.item()
	if r.kind == kindMap {
		holds = &typ{kind: kindText} // its keys
	}
	if differ(l.kind, holds.kind) {
		c.complain(n.Left, "%s is a %s, and %s holds only a %s: it is never in there%s", n.Left.String(), l.kind, n.Right.String(), holds.kind,
			kindHint(n.Left, holds.kind))
		return n
	}
	if s, ok := n.Left.(*ast.StringNode); ok && holds.only != nil && !slices.Contains(holds.only, s.Value) {
		c.complain(s, "%s never holds %q%s", n.Right.String(), s.Value, source.Suggest(s.Value, holds.only))
	}
	return c.contained(n, left, right)
}

func (c *checker) contained(n *ast.BinaryNode, left, right ast.Node) ast.Node {
	return call(map[string]string{"in": "$in", "not in": "$notin"}[n.Operator], n, left, right)
}
