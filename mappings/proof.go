package mappings

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"

	"wrapup/connector"
)

// A lookup with finds decides whether a step is sent a second time, so that nothing was found has to be said by the answer:
// that an expression came to null, or to false, isn't enough. What follows notes while such an expression runs what makes
// its result worth nothing. Everywhere else these rules would be in the way: there null is unknown, and that is that.

// weigher looks at what an operator or a function made of the answer. An error says that the result means nothing whatever
// it is, for it may be negated: what is unequal only because it is a text and a number, for example.
type weigher func(s *scope, args []any, made any) error

// weigherOf gives the weigher of a call, nil if it needs none.
func weigherOf(name string, n *ast.CallNode) weigher {
	if !fromResponse(n) {
		return nil
	}
	switch name {
	case "$get":
		return weighAccess(named(n.Arguments[0]))
	case "$eq", "$ne":
		return weighEquality
	case "$in":
		return weighMembership(true)
	case "$notin":
		return weighMembership(false)
	case "where":
		return weighSearch
	case "sole":
		return weighSole
	}
	return nil
}

// weighed makes a call whose result is weighed while a lookup is to prove something.
func weighed(run func(args ...any) (any, error), weigh weigher, args []eval) eval {
	return func(s *scope) (any, error) {
		base := len(s.args)
		for _, arg := range args {
			v, err := arg(s)
			if err != nil {
				s.args = s.args[:base]
				return nil, err
			}
			s.args = append(s.args, v)
		}
		v, err := run(s.args[base:]...)
		if err == nil && s.proving {
			err = weigh(s, s.args[base:], v)
		}
		s.args = s.args[:base]
		return s.spend(v, err)
	}
}

// lacks notes what an expression asked of the answer and didn't get. ?? provides for that.
func (s *scope) lacks(what string) {
	if s.lacking == "" {
		s.lacking = what
	}
}

// doubts notes what nothing provides for.
func (s *scope) doubts(why string) {
	if s.doubt == "" {
		s.doubt = why
	}
}

// weighAccess notes a field that the answer doesn't have. Named says that what is accessed is a field itself: if that is null
// and a field of it is asked for, the answer is of another shape. A list may be null.
func weighAccess(named bool) weigher {
	return func(s *scope, args []any, made any) error {
		of, key := args[0], args[1]
		_, byName := key.(string)
		_, header := of.(http.Header)
		what, _ := text(key)
		switch {
		case header && made == nil:
			s.lacks("the answer has no header " + strconv.Quote(what))
		case lacksField(of, key) || named && byName && of == nil:
			s.lacks("the answer has no " + strconv.Quote(what))
		}
		return nil
	}
}

// weighEquality refuses what can't be equal, for it isn't unequal either: the id 7 and the id "7" are the same.
func weighEquality(_ *scope, args []any, _ any) error {
	if a, b := args[0], args[1]; a != nil && b != nil && !alike(a, b) {
		return fmt.Errorf("%s can't be compared with %s", describe(a), describe(b))
	}
	return nil
}

// weighMembership refuses what is in no list only because it is of another kind, or because there is no list. In is what
// the operator gives where it is in the list.
func weighMembership(in bool) weigher {
	return func(_ *scope, args []any, made any) error {
		a := args[0]
		if a == nil || made == in {
			return nil
		}
		list, ok := args[1].([]any)
		if !ok {
			return fmt.Errorf("in needs a list, not %s", describe(args[1]))
		}
		for _, item := range list {
			if item != nil && !alike(a, item) {
				return fmt.Errorf("%s can't be compared with %s", describe(a), describe(item))
			}
		}
		return nil
	}
}

// weighSearch looks at a where that found nothing: each item has to have the field, and its value to be of the kind that is
// looked for.
func weighSearch(s *scope, args []any, made any) error {
	list, _ := args[0].([]any)
	if found, _ := made.([]any); len(found) > 0 {
		return nil
	}
	if args[2] == nil {
		s.doubts("what where looks for is null")
		return nil
	}
	for _, item := range list {
		if lacksPath(item, args[1]) || item == nil {
			what, _ := text(args[1])
			s.lacks("not every item of the answer has a " + strconv.Quote(what))
		}
		if v := at(item, args[1]); v != nil && !alike(v, args[2]) {
			return fmt.Errorf("where: %s can't be compared with %s", describe(v), describe(args[2]))
		}
	}
	return nil
}

// lacksPath is lacksField for a field that may be a path.
func lacksPath(item, field any) bool {
	path, _ := field.(string)
	if !lacksField(item, field) || !strings.Contains(path, ".") {
		return lacksField(item, field)
	}
	for name := range strings.SplitSeq(path, ".") {
		if item == nil || lacksField(item, name) {
			return true
		}
		item = get(item, name)
	}
	return false
}

// weighSole sees that several hits, or what is no list of hits, aren't taken for none.
func weighSole(s *scope, args []any, made any) error {
	list, ok := args[0].([]any)
	switch {
	case args[0] == nil || made != nil:
	case !ok:
		s.doubts("sole needs a list, not " + describe(args[0]))
	case len(list) > 1:
		s.doubts(fmt.Sprintf("there are %d hits, so it may be there more than once", len(list)))
	case len(list) == 1:
		s.doubts("the only hit is null")
	}
	return nil
}

// alike says that two values are of one kind, of which some may be equal.
func alike(a, b any) bool {
	_, x := number(a)
	_, y := number(b)
	if x || y {
		return x && y
	}
	switch a.(type) {
	case bool:
		_, ok := b.(bool)
		return ok
	case string:
		_, ok := b.(string)
		return ok
	case connector.Time:
		_, ok := b.(connector.Time)
		return ok
	}
	return false
}

// fromResponse says that a value is taken from the answer.
func fromResponse(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value == "response"
	case *ast.CallNode:
		return slices.ContainsFunc(n.Arguments, fromResponse)
	case *ast.BinaryNode:
		return fromResponse(n.Left) || fromResponse(n.Right)
	case *ast.ConditionalNode:
		return fromResponse(n.Exp1) || fromResponse(n.Exp2)
	case *ast.ArrayNode:
		return slices.ContainsFunc(n.Nodes, fromResponse)
	}
	return false
}

// named says that a value is a field by its name, not an item of a list or what a function gives.
func named(n ast.Node) bool {
	get, ok := n.(*ast.CallNode)
	if !ok || len(get.Arguments) != 2 {
		return false
	}
	callee, isName := get.Callee.(*ast.IdentifierNode)
	_, byName := get.Arguments[1].(*ast.StringNode)
	return isName && callee.Value == "$get" && byName
}

// lacksField says that a value is of another shape than the access expects. An item that isn't there is null, and a list may
// be short.
func lacksField(of, key any) bool {
	switch of := of.(type) {
	case object:
		name, isText := key.(string)
		return !isText || !slices.ContainsFunc(of, func(m member) bool { return m.key == name })
	case []any:
		_, isNumber := number(key)
		return !isNumber
	case nil, *response, http.Header:
		return false
	}
	return true
}
