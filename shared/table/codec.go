package table

import (
	"fmt"
	"reflect"
	"time"
)

// firstYear is the first that a time column can hold in Azure Tables, which
// refuses a whole row for an older one. What a stack's clock says may be older.
const firstYear = 1601

// Encode makes columns of a struct: one for each field with a col tag. Times
// before firstYear, the zero time among them, and fields tagged "name,omitempty" that are zero are left out.
func Encode(v any) Props {
	props := Props{}
	each(reflect.ValueOf(v), func(name string, omit bool, field reflect.Value) {
		if omit && field.IsZero() {
			return
		}
		switch x := field.Interface().(type) {
		case time.Time:
			if x.Year() >= firstYear {
				props[name] = UTC(x)
			}
		default:
			switch field.Kind() {
			case reflect.String:
				props[name] = field.String()
			case reflect.Bool:
				props[name] = field.Bool()
			case reflect.Int, reflect.Int64:
				props[name] = field.Int()
			default:
				panic(fmt.Sprintf("table: column %s has type %s", name, field.Type()))
			}
		}
	})
	return props
}

// Decode fills a struct from columns. A column that is absent leaves its
// field as it is; one of another type is an error.
func Decode(props Props, v any) (err error) {
	each(reflect.ValueOf(v).Elem(), func(name string, _ bool, field reflect.Value) {
		have, ok := props[name]
		if !ok {
			return
		}
		value := reflect.ValueOf(have)
		if !value.CanConvert(field.Type()) || value.Kind() != normalKind(field.Kind()) {
			err = fmt.Errorf("column %s: %T where %s is expected", name, have, field.Type())
			return
		}
		field.Set(value.Convert(field.Type()))
	})
	return err
}

// normalKind is the kind in which a store hands a field back.
func normalKind(k reflect.Kind) reflect.Kind {
	if k == reflect.Int {
		return reflect.Int64
	}
	return k
}

func each(v reflect.Value, fn func(name string, omit bool, field reflect.Value)) {
	for i := range v.NumField() {
		tag, ok := v.Type().Field(i).Tag.Lookup("col")
		if !ok {
			continue
		}
		name, omit := tag, false
		if n := len(tag) - len(",omitempty"); n > 0 && tag[n:] == ",omitempty" {
			name, omit = tag[:n], true
		}
		fn(name, omit, v.Field(i))
	}
}

// UTC is a time as a column holds it: whole seconds, so that what is read back
// is what was written.
func UTC(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
