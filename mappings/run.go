package mappings

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// eval is code that is ready to run. The tree that the checker gives is made of so few kinds of nodes that running them as
// functions is shorter, and many times faster, than a machine for all that expr can do.
type eval func(s *scope) (any, error)

// assemble makes a checked tree ready to run.
func (l *language) assemble(n ast.Node) (eval, error) {
	switch n := n.(type) {
	case *ast.NilNode:
		return constant(nil), nil
	case *ast.BoolNode:
		return constant(n.Value), nil
	case *ast.IntegerNode:
		return constant(n.Value), nil
	case *ast.FloatNode:
		return constant(n.Value), nil
	case *ast.StringNode:
		return constant(n.Value), nil
	case *ast.ConstantNode:
		return constant(n.Value), nil
	case *ast.IdentifierNode:
		if root := rootOf(n.Value); root != nil {
			return root, nil
		}
	case *ast.CallNode:
		return l.assembleCall(n)
	case *ast.ConditionalNode:
		return l.assembleConditional(n)
	case *ast.BinaryNode:
		return l.assembleBinary(n)
	case *ast.ArrayNode:
		items, err := l.assembleAll(n.Nodes)
		return func(s *scope) (any, error) {
			list := make([]any, len(items))
			for i, item := range items {
				var err error
				if list[i], err = item(s); err != nil {
					return nil, err
				}
			}
			return list, nil
		}, err
	}
	return nil, fmt.Errorf("this can't be used in a mapping")
}

func constant(v any) eval { return func(*scope) (any, error) { return v, nil } }

func (l *language) assembleAll(nodes []ast.Node) ([]eval, error) {
	list := make([]eval, len(nodes))
	for i, n := range nodes {
		var err error
		if list[i], err = l.assemble(n); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (l *language) assembleConditional(n *ast.ConditionalNode) (eval, error) {
	parts, err := l.assembleAll([]ast.Node{n.Cond, n.Exp1, n.Exp2})
	if err != nil {
		return nil, err
	}
	return func(s *scope) (any, error) {
		v, err := parts[0](s)
		if err != nil {
			return nil, err
		}
		if v == true {
			return parts[1](s)
		}
		return parts[2](s)
	}, nil
}

// assembleBinary takes the operators whose right side may stay unread; the others are calls by now.
func (l *language) assembleBinary(n *ast.BinaryNode) (eval, error) {
	sides, err := l.assembleAll([]ast.Node{n.Left, n.Right})
	if err != nil {
		return nil, err
	}
	var enough func(left any) bool
	switch n.Operator {
	case "&&", "and":
		enough = func(left any) bool { return left != true }
	case "||", "or":
		enough = func(left any) bool { return left == true }
	case "??":
		enough = func(left any) bool { return left != nil }
	default:
		return nil, fmt.Errorf("%s is not offered in mappings", n.Operator)
	}
	otherwise := n.Operator == "??"
	return func(s *scope) (any, error) {
		lacking := s.lacking
		left, err := sides[0](s)
		if err != nil || enough(left) {
			return left, err
		}
		if otherwise { // it was provided for
			s.lacking = lacking
		}
		return sides[1](s)
	}, nil
}

func (l *language) assembleCall(n *ast.CallNode) (eval, error) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return nil, fmt.Errorf("this is no function")
	}
	if e := l.direct(callee.Value, n.Arguments); e != nil {
		return e, nil
	}
	args, err := l.assembleAll(n.Arguments)
	if err != nil {
		return nil, err
	}
	if callee.Value == "$table" {
		return func(s *scope) (any, error) {
			at, err := args[0](s)
			if err != nil {
				return nil, err
			}
			key, err := args[1](s)
			if err != nil {
				return nil, err
			}
			i, _ := at.(int)
			return s.lookUp(i, key)
		}, nil
	}
	run, ok := l.operators[callee.Value]
	if !ok {
		f, known := l.functions[callee.Value]
		if !known {
			return nil, fmt.Errorf("unknown function %q", callee.Value)
		}
		run = f.run
	}
	if weigh := weigherOf(callee.Value, n); weigh != nil {
		return weighed(run, weigh, args), nil
	}
	if len(args) == 1 {
		return func(s *scope) (any, error) {
			base := len(s.args)
			v, err := args[0](s)
			if err != nil {
				return nil, err
			}
			s.args = append(s.args, v)
			v, err = run(s.args[base:]...)
			s.args = s.args[:base]
			return s.spend(v, err)
		}, nil
	}
	return func(s *scope) (any, error) {
		base := len(s.args) // the arguments lie on a stack, which no function keeps
		for _, arg := range args {
			v, err := arg(s)
			if err != nil {
				s.args = s.args[:base]
				return nil, err
			}
			s.args = append(s.args, v)
		}
		v, err := run(s.args[base:]...)
		s.args = s.args[:base]
		return s.spend(v, err)
	}, nil
}

// direct gives short ways for what most expressions are: a field of the call, a value of vars, what has changed.
func (l *language) direct(name string, args []ast.Node) eval {
	switch name {
	case "$changed":
		if c, ok := args[0].(*ast.ConstantNode); ok {
			if field, ok := c.Value.(*recordField); ok {
				return func(s *scope) (any, error) { return s.changed(field) }
			}
		}
	case "$var":
		if c, ok := args[0].(*ast.ConstantNode); ok {
			if i, ok := c.Value.(int); ok {
				return func(s *scope) (any, error) { return s.variable(i) }
			}
		}
	case "$get":
		if path := callPath(args); path != nil {
			if field := fieldAt(path); field != nil {
				return func(s *scope) (any, error) { return field.of(s.record) }
			}
		}
	}
	return nil
}

// fieldOf gives the field of the call that an expression consists of, nil if it is more than that.
func fieldOf(n ast.Node) *recordField {
	get, ok := n.(*ast.CallNode)
	if !ok {
		return nil
	}
	if callee, ok := get.Callee.(*ast.IdentifierNode); !ok || callee.Value != "$get" {
		return nil
	}
	path := callPath(get.Arguments)
	if path == nil {
		return nil
	}
	return fieldAt(path)
}

// callPath gives the names that lead from `call` to a field, nil if the arguments of $get aren't such a path.
func callPath(args []ast.Node) []string {
	name, ok := args[1].(*ast.StringNode)
	if !ok {
		return nil
	}
	switch of := args[0].(type) {
	case *ast.IdentifierNode:
		if of.Value == "call" {
			return []string{name.Value}
		}
	case *ast.CallNode:
		if callee, ok := of.Callee.(*ast.IdentifierNode); ok && callee.Value == "$get" {
			if path := callPath(of.Arguments); path != nil {
				return append(path, name.Value)
			}
		}
	}
	return nil
}
