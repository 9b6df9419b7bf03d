package mappings

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"regexp"
	"strings"

	"wrapup/connector"
)

// operators are what the checker rewrites an expression's nodes to. Their names can't be written in an expression.
func operators() map[string]func(args ...any) (any, error) {
	return map[string]func(args ...any) (any, error){
		"$get":   func(a ...any) (any, error) { return get(a[0], a[1]), nil },
		"$true":  func(a ...any) (any, error) { return truth(a[0]) },
		"$not":   func(a ...any) (any, error) { t, err := truth(a[0]); return !t, err },
		"$null":  func(a ...any) (any, error) { return a[0] == nil, nil },
		"$known": func(a ...any) (any, error) { return a[0] != nil, nil },
		"$eq":    comparison(func(a, b any) (bool, error) { return equal(a, b), nil }),
		"$ne":    comparison(func(a, b any) (bool, error) { return !equal(a, b), nil }),
		"$lt":    ordering(func(c int) bool { return c < 0 }),
		"$le":    ordering(func(c int) bool { return c <= 0 }),
		"$gt":    ordering(func(c int) bool { return c > 0 }),
		"$ge":    ordering(func(c int) bool { return c >= 0 }),
		"$in":    comparison(contained),
		"$notin": comparison(func(a, b any) (bool, error) { in, err := contained(a, b); return !in, err }),

		"$contains":   textComparison("contains", strings.Contains),
		"$startsWith": textComparison("startsWith", strings.HasPrefix),
		"$endsWith":   textComparison("endsWith", strings.HasSuffix),
		"$matches":    comparison(matches),

		"$add": func(a ...any) (any, error) { return add(a[0], a[1]) },
		"$sub": func(a ...any) (any, error) { return arithmetic("-", a[0], a[1]) },
		"$mul": func(a ...any) (any, error) { return arithmetic("*", a[0], a[1]) },
		"$div": func(a ...any) (any, error) { return arithmetic("/", a[0], a[1]) },
		"$mod": func(a ...any) (any, error) { return arithmetic("%", a[0], a[1]) },
		"$neg": func(a ...any) (any, error) { return arithmetic("-", 0, a[0]) },
	}
}

// get is access to a field or an item. What isn't there is null, and so is anything of null.
func get(of, key any) any {
	switch of := of.(type) {
	case object:
		name, err := text(key)
		if err != nil || key == nil {
			return nil
		}
		return of.get(name)
	case []any:
		i, ok := number(key)
		n, isInt := i.(int)
		if !ok || !isInt {
			return nil
		}
		if n < 0 {
			n += len(of)
		}
		if n < 0 || n >= len(of) {
			return nil
		}
		return of[n]
	case *response:
		name, _ := key.(string)
		return of.get(name)
	case http.Header:
		name, _ := key.(string)
		return headerValue(of, name)
	}
	return nil
}

// truth reads a condition; null is false.
func truth(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return false, fmt.Errorf("a condition needs true or false, not %s", describe(v))
}

// comparison makes an operator that is false if one side is null.
func comparison(compare func(a, b any) (bool, error)) func(args ...any) (any, error) {
	return func(a ...any) (any, error) {
		if a[0] == nil || a[1] == nil {
			return false, nil
		}
		return compare(a[0], a[1])
	}
}

// maxMatchedBytes bounds the text that a pattern is held against, since that takes its time.
const maxMatchedBytes = 64 << 10

// matches holds a text against a pattern, which the checker compiled.
func matches(a, pattern any) (bool, error) {
	s, err := needText("matches", a)
	if err != nil {
		return false, err
	}
	if len(s) > maxMatchedBytes {
		return false, errors.New("matches: the text is too long")
	}
	re, ok := pattern.(*regexp.Regexp)
	return ok && re.MatchString(s), nil
}

func ordering(holds func(c int) bool) func(args ...any) (any, error) {
	return comparison(func(a, b any) (bool, error) {
		c, err := order(a, b)
		return err == nil && holds(c), err
	})
}

func textComparison(name string, holds func(a, b string) bool) func(args ...any) (any, error) {
	return comparison(func(a, b any) (bool, error) {
		s, err := needText(name, a)
		if err != nil {
			return false, err
		}
		t, err := needText(name, b)
		return err == nil && holds(s, t), err
	})
}

// equal compares two values. Values of different kinds are never equal.
func equal(a, b any) bool {
	if _, ok := number(a); ok {
		c, err := order(a, b)
		return err == nil && c == 0
	}
	switch a := a.(type) {
	case bool:
		return b == any(a)
	case string:
		return b == any(a)
	case connector.Time:
		return b == any(a)
	}
	return false
}

// order compares two numbers, texts or times.
func order(a, b any) (int, error) {
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		i, iok := x.(int)
		j, jok := y.(int)
		if iok && jok {
			return compare(i, j), nil
		}
		if r, s := exact(a), exact(b); r != nil && s != nil { // ids beyond int64: every digit counts
			return r.Cmp(s), nil
		}
		f, _ := float(x)
		g, _ := float(y)
		return compare(f, g), nil
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b), nil
		}
	case connector.Time:
		if b, ok := b.(connector.Time); ok {
			return compare(a, b), nil
		}
	}
	return 0, fmt.Errorf("%s can't be compared with %s", describe(a), describe(b))
}

// exact gives a number with all its digits, nil if it is written with an exponent, which could be huge.
func exact(v any) *big.Rat {
	s, err := text(v)
	if err != nil || len(s) > 100 || strings.ContainsAny(s, "eE") {
		return nil
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil
	}
	return r
}

func compare[T int | float64 | connector.Time](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// contained says whether a is an item of a list, or a key of a map.
func contained(a, in any) (bool, error) {
	switch in := in.(type) {
	case []any:
		for _, item := range in {
			if equal(a, item) {
				return true, nil
			}
		}
		return false, nil
	case object:
		for _, m := range in {
			if equal(a, m.key) {
				return true, nil
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("in needs a list, not %s", describe(in))
}

// add joins two texts, of which a null one is empty, or adds two numbers.
func add(a, b any) (any, error) {
	s, aText := a.(string)
	t, bText := b.(string)
	switch {
	case aText && bText:
		if len(s)+len(t) > maxTextBytes {
			return nil, errText
		}
		return s + t, nil
	case aText && b == nil:
		return s, nil
	case a == nil && bText:
		return t, nil
	case aText || bText:
		return nil, fmt.Errorf("+ needs two texts or two numbers, not %s and %s", describe(a), describe(b))
	}
	return arithmetic("+", a, b)
}

// arithmetic calculates with whole numbers as long as both are, and never lets one overflow silently.
func arithmetic(op string, a, b any) (any, error) {
	if a == nil || b == nil {
		return nil, nil
	}
	x, xok := number(a)
	y, yok := number(b)
	if !xok || !yok {
		return nil, fmt.Errorf("%s needs two numbers, not %s and %s", op, describe(a), describe(b))
	}
	i, iok := x.(int)
	j, jok := y.(int)
	if iok && jok && op != "/" {
		return whole(op, i, j)
	}
	f, _ := float(x)
	g, _ := float(y)
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return f * g, nil
	case "%":
		if g == 0 {
			return nil, errors.New("division by 0")
		}
		return math.Mod(f, g), nil
	}
	if g == 0 {
		return nil, errors.New("division by 0")
	}
	if iok && jok && i%j == 0 && j != -1 {
		return i / j, nil
	}
	return f / g, nil
}

func whole(op string, i, j int) (any, error) {
	var result int
	var overflow bool
	switch op {
	case "+":
		result = i + j
		overflow = (i > 0) == (j > 0) && (result > 0) != (i > 0) && i != 0 && j != 0
	case "-":
		result = i - j
		overflow = (i >= 0) != (j >= 0) && (result >= 0) != (i >= 0)
	case "*":
		result = i * j
		overflow = i != 0 && (result/i != j || i == -1 && j == math.MinInt)
	case "%":
		if j == 0 {
			return nil, errors.New("division by 0")
		}
		result = i % j
	}
	if overflow {
		return nil, fmt.Errorf("the result of %s is too large", op)
	}
	return result, nil
}

// needText reads the side of an operator that has to be a text.
func needText(name string, v any) (string, error) {
	s, err := argText(v)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, err)
	}
	return s, nil
}
