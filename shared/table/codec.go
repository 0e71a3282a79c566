package table

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// firstYear is the first that a time column can hold in Azure Tables, which
// refuses a whole row for an older one. What a stack's clock says may be older.
const firstYear = 1601

// Encode makes columns of a struct: one for each field with a col tag. Times
// before firstYear, the zero time among them, and fields tagged "name,omitempty" that are zero are left out.
func Encode(v any) Props {
	props := make(Props, fewest(reflect.TypeOf(v)))
	each(reflect.ValueOf(v), func(name string, omit bool, field reflect.Value) {
		if omit && field.IsZero() {
			return
		}
		switch field.Kind() {
		case reflect.String:
			props[name] = field.String()
		case reflect.Bool:
			props[name] = field.Bool()
		case reflect.Int, reflect.Int64:
			props[name] = field.Int()
		default:
			at, is := field.Interface().(time.Time)
			if !is {
				panic(fmt.Sprintf("table: column %s has type %s", name, field.Type()))
			}
			if at.Year() >= firstYear {
				props[name] = UTC(at)
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
	for _, c := range columnsOf(v.Type()) {
		fn(c.name, c.omit, v.Field(c.field))
	}
}

// column is a field of a struct with a col tag.
type column struct {
	field int
	name  string
	omit  bool // if it is zero
}

// fewest is how many columns a row of a struct has at least, but for times.
func fewest(t reflect.Type) (n int) {
	for _, c := range columnsOf(t) {
		if !c.omit {
			n++
		}
	}
	return n
}

var columns sync.Map // []column by reflect.Type

func columnsOf(t reflect.Type) []column {
	if known, ok := columns.Load(t); ok {
		return known.([]column)
	}
	var all []column
	for i := range t.NumField() {
		if tag, ok := t.Field(i).Tag.Lookup("col"); ok {
			name, omit := strings.CutSuffix(tag, ",omitempty")
			all = append(all, column{i, name, omit})
		}
	}
	columns.Store(t, all)
	return all
}

// UTC is a time as a column holds it: whole seconds, so that what is read back
// is what was written.
func UTC(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
