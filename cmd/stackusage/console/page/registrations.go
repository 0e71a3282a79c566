package page

import (
	"fmt"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
)

// RegistrationField is the field that chooses a registration by its name; all of them are
// a choice, too. Where they cannot be listed it takes a text.
func (r *Request) RegistrationField() Field {
	f := Field{Name: "registration", Label: "Registration", Value: r.Get("registration")}
	chosen := f.Value == ""
	options := []Option{{Text: "all", Chosen: chosen}}
	err := Ask(r, func(rows cli.Rows) error {
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			name, cloudID := fmt.Sprint(v.Cells[0]), fmt.Sprint(v.Cells[1])
			o := Option{Value: name, Text: name}
			if name == "" {
				o = Option{Value: cloudID, Text: cloudID}
			}
			o.Chosen = !chosen && (f.Value == name || f.Value == cloudID)
			chosen = chosen || o.Chosen
			options = append(options, o)
		}
		return nil
	}, "registration", "list")
	if err != nil || !chosen { // one that the list does not have stays as it was typed
		f.Kind, f.Hint = "text", "all"
		return f
	}
	f.Options = options
	return f
}

// RegistrationName is the name of the registration that a parameter names, which may be
// its cloudId.
func RegistrationName(r *Request, name string) string {
	if usage.CheckGUID(name) != nil { // it is no cloudId
		return name
	}
	err := Ask(r, func(rows cli.Rows) error {
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			if cells := v.Cells; fmt.Sprint(cells[1]) == name && fmt.Sprint(cells[0]) != "" {
				name = fmt.Sprint(cells[0])
			}
		}
		return nil
	}, "registration", "list")
	_ = err // the name is for a title, and the page says what cannot be read
	return name
}
