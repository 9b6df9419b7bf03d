package mappings

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"wrapup/connector"
)

// The record is read by reflection over its JSON names, so that a field that is added to it is known to mappings at once.

// recordType is the type of `call`.
func recordType() *typ { return typeOfGo(reflect.TypeFor[connector.Record]()) }

// RecordFields names the fields of a record, sorted.
func RecordFields() []string { return recordType().names() }

// RecordWords lists what a field of a record, or each item of it, can be, if it is one of some words; else it is nil.
func RecordWords(field string) []string {
	t := recordType().fields[field]
	if t != nil && t.kind == kindList {
		t = t.item()
	}
	if t == nil {
		return nil
	}
	return t.only
}

// recordObject is the value of `call`: the record with the names and in the order of its JSON.
func recordObject(r *connector.Record) object {
	o, err := structObject(reflect.ValueOf(r).Elem())
	if err != nil { // a field of a type that typeOfGo refuses: TestRecordFields finds it first
		panic("mappings: " + err.Error())
	}
	return o
}

// typeOfGo gives the type that a field of the record has in expressions.
func typeOfGo(t reflect.Type) *typ {
	switch t {
	case reflect.TypeFor[connector.Time]():
		return &typ{kind: kindTime}
	case reflect.TypeFor[connector.Span]():
		return &typ{kind: kindNumber}
	case reflect.TypeFor[connector.Text]():
		return &typ{kind: kindText, filled: true}
	case reflect.TypeFor[connector.Outcome]():
		return &typ{kind: kindText, only: texts(connector.Outcomes()...)}
	case reflect.TypeFor[connector.Direction]():
		return &typ{kind: kindText, only: texts(connector.Outbound, connector.Inbound)}
	case reflect.TypeFor[connector.Flag]():
		return &typ{kind: kindText, only: texts(connector.FlagAnswerMissing, connector.FlagClockSkew, connector.FlagConflict,
			connector.FlagHangupMissing, connector.FlagJoinMissing, connector.FlagLeftInferred, connector.FlagStartMissing)}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeOfGo(t.Elem())
	case reflect.String:
		return &typ{kind: kindText}
	case reflect.Bool:
		return &typ{kind: kindBool}
	case reflect.Int:
		return &typ{kind: kindNumber}
	case reflect.Slice:
		return &typ{kind: kindList, elem: typeOfGo(t.Elem())}
	case reflect.Struct:
		fields := make(map[string]*typ)
		for i := range t.NumField() {
			fields[jsonName(t.Field(i))] = typeOfGo(t.Field(i).Type)
		}
		return &typ{kind: kindMap, fields: fields}
	}
	panic(fmt.Sprintf("mappings: the record has a field of type %s", t))
}

// structObject gives a struct under its JSON names. What its JSON says null to is nil: empty text of a type that means
// "unknown" by it, an unknown time, an unknown span, a nil pointer.
func structObject(v reflect.Value) (object, error) {
	o := make(object, 0, v.NumField())
	for i := range v.NumField() {
		value := v.Field(i).Interface()
		switch known := value.(type) {
		case connector.Text:
			if known == "" {
				value = nil
			}
		case connector.Time:
			if !known.Known() {
				value = nil
			}
		}
		value, err := normal(value)
		if err != nil {
			return nil, err
		}
		o = append(o, member{jsonName(v.Type().Field(i)), value})
	}
	return o, nil
}

// normalMap gives a map from Go code as an object, in the order of its keys.
func normalMap(v reflect.Value) (object, error) {
	o := make(object, 0, v.Len())
	for _, key := range v.MapKeys() {
		value, err := normal(v.MapIndex(key).Interface())
		if err != nil {
			return nil, err
		}
		o = append(o, member{fmt.Sprint(key.Interface()), value})
	}
	slices.SortFunc(o, func(a, b member) int { return strings.Compare(a.key, b.key) })
	return o, nil
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func texts[T ~string](values ...T) []string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = string(v)
	}
	return list
}
