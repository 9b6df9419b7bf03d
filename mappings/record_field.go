package mappings

import (
	"reflect"

	"wrapup/connector"
)

// recordField leads to one field of the record, such as agent.username.
type recordField struct{ steps []int }

// fieldAt finds the field that the names lead to, nil if they lead elsewhere, such as into a list.
func fieldAt(names []string) *recordField {
	f := new(recordField)
	t := reflect.TypeFor[connector.Record]()
	for _, name := range names {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[connector.Span]() {
			return nil
		}
		at := -1
		for i := range t.NumField() {
			if jsonName(t.Field(i)) == name {
				at = i
			}
		}
		if at < 0 {
			return nil
		}
		f.steps = append(f.steps, at)
		t = t.Field(at).Type
	}
	return f
}

// at points at the field, invalid if it is in something that isn't there.
func (f *recordField) at(r *connector.Record) reflect.Value {
	v := reflect.ValueOf(r)
	for _, i := range f.steps {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v.Addr()
}

// text gives the field as a text where it is one, and whether it is null. It costs no memory, and most of what mappings say
// is this.
func (f *recordField) text(r *connector.Record) (s string, null, isText bool) {
	v := f.at(r)
	if !v.IsValid() {
		return "", true, true
	}
	switch p := v.Interface().(type) {
	case *connector.Text:
		return string(*p), *p == "", true
	case *string:
		return *p, false, true
	case *connector.Outcome:
		return string(*p), false, true
	}
	return "", false, false
}

// of gives the field's value, null if it is unknown. Nothing of the record but the field is read.
func (f *recordField) of(r *connector.Record) (any, error) {
	v := f.at(r)
	if !v.IsValid() {
		return nil, nil
	}
	switch p := v.Interface().(type) {
	case *connector.Text:
		if *p == "" {
			return nil, nil
		}
		return string(*p), nil
	case *connector.Time:
		if !p.Known() {
			return nil, nil
		}
		return *p, nil
	case *connector.Span:
		if !p.Known {
			return nil, nil
		}
		return p.Seconds(), nil
	case *string:
		return *p, nil
	case *connector.Outcome:
		return string(*p), nil
	case *int:
		return *p, nil
	}
	return normal(v.Elem().Interface())
}
