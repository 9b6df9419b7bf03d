package mappings

import (
	"slices"

	"github.com/expr-lang/expr/ast"

	"wrapup/mappings/source"
)

// tableType is what is known at load of one of the mapping's tables.
type tableType struct {
	name  string
	index int
	// keys are those of an inline table; nil for a file, whose keys change.
	keys []string
	// fallback says that it has a default.
	fallback bool
	// asked collects the texts that it can be asked for; any says that these are not known.
	asked []string
	any   bool
	// byAgent says that it is asked for an agent's username.
	byAgent bool
}

// special takes the members of names that are more than maps: tables, vars, changed, response. It gives nil for others.
func (c *checker) special(n *ast.MemberNode) (ast.Node, *typ) {
	if t := c.tableOf(n.Node); t != nil {
		return c.tableIndex(n, t)
	}
	root, ok := n.Node.(*ast.IdentifierNode)
	if !ok || c.roots[root.Value] == nil {
		return nil, nil
	}
	name, named := n.Property.(*ast.StringNode)
	t := c.roots[root.Value]
	switch root.Value {
	case "response":
		c.uses.response = true
		if named && t.fields[name.Value] != nil { // not as a whole: who looks at the status doesn't read the body
			c.uses.body = c.uses.body || name.Value == "body"
			c.uses.text = c.uses.text || name.Value == "text"
			return call("$get", n, root, name), t.fields[name.Value]
		}
		return nil, nil
	case "tables", "vars", "changed":
	default:
		return nil, nil
	}
	if !named {
		return c.complain(n.Property, "%s are asked for by name, as in %s.%s", root.Value, root.Value, t.names()[0])
	}
	of, known := t.fields[name.Value]
	switch {
	case !known && root.Value == "changed":
		return c.complain(name, "unknown field %q%s", name.Value, source.Suggest(name.Value, t.names()))
	case !known && c.hints[root.Value+"."+name.Value] != "":
		return c.complain(name, "%s", c.hints[root.Value+"."+name.Value])
	case !known:
		return c.complain(name, "unknown name in %s %q%s", root.Value, name.Value, source.Suggest(name.Value, t.names()))
	case root.Value == "tables":
		return c.complain(name, "a table is asked for a key: write tables.%s[key]", name.Value)
	case root.Value == "changed":
		return call("$changed", n, constantNode(fieldAt([]string{name.Value}), n)), of
	}
	if c.uses.vars == nil {
		c.uses.vars = make(map[int]int)
	}
	i := slices.Index(t.only, name.Value) // of vars, only lists the names in their order
	c.uses.vars[i]++
	return call("$var", n, constantNode(i, n)), of
}

func constantNode(v any, at ast.Node) ast.Node {
	n := &ast.ConstantNode{Value: v}
	n.SetLocation(at.Location())
	return n
}

// tableOf gives the type of the table that a node such as tables.owner names, nil if it is none.
func (c *checker) tableOf(n ast.Node) *typ {
	m, ok := n.(*ast.MemberNode)
	if !ok {
		return nil
	}
	root, ok := m.Node.(*ast.IdentifierNode)
	name, named := m.Property.(*ast.StringNode)
	if !ok || !named || root.Value != "tables" || c.roots["tables"] == nil {
		return nil
	}
	if t := c.roots["tables"].fields[name.Value]; t != nil && t.table != nil {
		return t
	}
	return nil
}

// tableIndex checks tables.NAME[key].
func (c *checker) tableIndex(n *ast.MemberNode, t *typ) (ast.Node, *typ) {
	table := t.table
	key, keyType := c.check(n.Property)
	if !keyType.could(kindText) && !keyType.could(kindNumber) {
		return c.complain(n.Property, "a table is asked for a text, and %s is a %s", n.Property.String(), keyType.kind)
	}
	if word, ok := n.Property.(*ast.StringNode); ok {
		if table.keys != nil && !table.fallback && !slices.Contains(table.keys, word.Value) {
			return c.complain(word, "the table %s has no key %q%s", table.name, word.Value, source.Suggest(word.Value, table.keys))
		}
	}
	switch code := n.Property.String(); {
	case keyType.only != nil:
		table.asked = append(table.asked, keyType.only...)
	default:
		table.any = true
		if code == "call.agent.username" || code == "call.agent?.username" {
			table.byAgent = true
		}
	}
	return call("$table", n, constantNode(table.index, n), key), t.item()
}
