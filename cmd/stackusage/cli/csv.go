package cli

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// columns are the names in JSON of a struct's fields; those of a struct inside stand
// behind its name and a point.
func columns[T any]() (names []string) {
	leaves(reflect.TypeFor[T](), reflect.Value{}, "", func(name string, _ reflect.Value) { names = append(names, name) })
	return names
}

// values are what the columns of a row hold.
func values(row any) (texts []string) {
	v := reflect.ValueOf(row)
	leaves(v.Type(), v, "", func(_ string, v reflect.Value) { texts = append(texts, text(v)) })
	return texts
}

// leaf reports whether a type is one value, though it is a struct.
func leaf(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()) || t.Implements(reflect.TypeFor[fmt.Stringer]())
}

// leaves calls each for the fields of a type, in order. v is not valid where only
// names are known.
func leaves(t reflect.Type, v reflect.Value, prefix string, each func(name string, v reflect.Value)) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
		if v.IsValid() {
			v = v.Elem() // not valid for nil
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		var field reflect.Value
		if v.IsValid() {
			field = v.Field(i)
		}
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && (f.Anonymous || !leaf(inner)) {
			if f.Anonymous {
				leaves(f.Type, field, prefix, each)
			} else {
				leaves(f.Type, field, prefix+name+".", each)
			}
			continue
		}
		each(prefix+name, field)
	}
}

// text is a field of CSV. Lists are separated by spaces.
func text(v reflect.Value) string {
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if t, ok := v.Interface().(interface{ IsZero() bool }); ok && t.IsZero() {
			return ""
		}
		b, _ := m.MarshalText() // of what is printed as JSON, too
		return string(b)
	}
	if raw, ok := v.Interface().(json.RawMessage); ok {
		return string(raw)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return text(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct && v.Type().Elem().Kind() != reflect.Uint8 {
			parts := make([]string, v.Len())
			for i := range parts {
				parts[i] = text(v.Index(i))
			}
			return strings.Join(parts, " ")
		}
		fallthrough
	case reflect.Map:
		if v.Len() == 0 {
			return ""
		}
		b, _ := json.Marshal(v.Interface())
		return strings.Trim(string(b), `"`)
	}
	return fmt.Sprint(v.Interface())
}
