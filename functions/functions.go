// Package functions holds the bindings of the function app, one folder per
// function, and nothing else. The folders are the one list of functions: the
// router, the staging and the tests read it from here.
package functions

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
)

//go:embed */function.json
var files embed.FS

// Function is one function and its bindings.
type Function struct {
	Name     string
	Bindings []Binding
}

// Binding is one entry of function.json.
type Binding struct {
	Type       string   `json:"type"`
	Direction  string   `json:"direction"`
	Name       string   `json:"name"`
	QueueName  string   `json:"queueName,omitempty"`
	Connection string   `json:"connection,omitempty"`
	Schedule   string   `json:"schedule,omitempty"`
	Route      string   `json:"route,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	AuthLevel  string   `json:"authLevel,omitempty"`
}

// Trigger is the binding that starts the function.
func (f Function) Trigger() Binding { return f.Bindings[0] }

// All lists the functions by name.
func All() ([]Function, error) {
	paths, err := fs.Glob(files, "*/function.json")
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	var all []Function
	for _, p := range paths {
		text, err := files.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("list functions: %w", err)
		}
		f := Function{Name: path.Dir(p)}
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		if len(f.Bindings) == 0 {
			return nil, fmt.Errorf("read %s: no bindings", p)
		}
		all = append(all, f)
	}
	return all, nil
}
