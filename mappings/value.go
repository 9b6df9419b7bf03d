package mappings

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"wrapup/connector"
)

// object is a map that keeps the order in which it was written.
type object []member

type member struct {
	key   string
	value any
}

// get gives the value of the key, nil if there is none.
func (o object) get(key string) any {
	for i := range o {
		if o[i].key == key {
			return o[i].value
		}
	}
	return nil
}

// normal turns what Go code hands in (parameters, a record) into a value of expressions.
func normal(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int, float64, json.Number, connector.Time, object:
		return v, nil
	case connector.Span:
		if !v.Known {
			return nil, nil
		}
		return v.Seconds(), nil
	}
	return normalReflect(reflect.ValueOf(v))
}

func normalReflect(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return normal(v.Elem().Interface())
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.String:
		return v.String(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return int(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return json.Number(strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			return nil, nil
		}
		list := make([]any, v.Len())
		for i := range list {
			item, err := normal(v.Index(i).Interface())
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		return list, nil
	case reflect.Map:
		return normalMap(v)
	case reflect.Struct:
		return structObject(v)
	}
	return nil, fmt.Errorf("a value of type %s is of no use in a mapping", v.Type())
}

// text gives a value as it stands in a text; null is empty.
func text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return decimal(v)
	case json.Number:
		return v.String(), nil
	case connector.Time:
		return v.String(), nil
	}
	return "", fmt.Errorf("%s can't stand in a text", describe(v))
}

// decimal gives the shortest decimal form that is exactly f, without an exponent where people can still read that.
func decimal(f float64) (string, error) {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return "", errors.New("the result is no number that can be written")
	case f == 0:
		return "0", nil
	case math.Abs(f) >= 1e21 || math.Abs(f) < 1e-9:
		return strconv.FormatFloat(f, 'e', -1, 64), nil
	}
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}

// number gives a value as an int or a float64, if it is a number.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case int, float64:
		return v, true
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i, true
		}
		if f, err := v.Float64(); err == nil {
			return f, true
		}
	}
	return nil, false
}

// float gives a value as a float64, if it is a number.
func float(v any) (float64, bool) {
	n, ok := number(v)
	if !ok {
		return 0, false
	}
	if i, isInt := n.(int); isInt {
		return float64(i), true
	}
	f, ok := n.(float64)
	return f, ok
}

// describe names what a value is, for messages. It never shows the value, which may be a phone number.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a text"
	case int, float64, json.Number:
		return "a number"
	case connector.Time:
		return "a time"
	case []any:
		return "a list"
	default:
		return "a map"
	}
}
