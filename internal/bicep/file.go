package bicep

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// File is one Bicep file or parameter file.
type File struct {
	Path     string
	Root     *Node
	Decls    []*Decl
	Imports  []Import
	Problems []string // what the grammar does not understand

	source []byte
}

// Decl is a declaration.
type Decl struct {
	Kind     string // param, var, output, resource, module, type, func, metadata
	Name     string
	Node     *Node
	Type     *Node   // of a param or an output
	Value    *Node   // what stands behind the last "="; nil for a param without default
	Ref      string  // type@version of a resource, path of a module
	Existing bool    // a resource that is only named
	Exported bool    // @export()
	About    string  // @description()
	Parent   *Decl   // of a resource that is declared in another
	Nested   []*Decl // resources declared in it
}

// Import is an import of names of another file.
type Import struct {
	Path  string
	Names map[string]string // as it is called here -> there
	Row   int
}

// Param is the parameter file's way to name its template.
func (f *File) using() string {
	for _, c := range f.Root.Children {
		if c.Kind == "using_statement" {
			for _, s := range c.Children {
				if path, ok := s.Value(); ok {
					return path
				}
			}
		}
	}
	return ""
}

// Decl finds a declaration; nil if there is none.
func (f *File) Decl(kind, name string) *Decl {
	for _, d := range f.Decls {
		if d.Kind == kind && d.Name == name {
			return d
		}
	}
	return nil
}

// Resources are all resources of the file, nested ones too.
func (f *File) Resources() (all []*Decl) {
	var add func([]*Decl)
	add = func(list []*Decl) {
		for _, d := range list {
			if d.Kind == "resource" {
				all = append(all, d)
				add(d.Nested)
			}
		}
	}
	add(f.Decls)
	return all
}

func (f *File) at(row int) string { return fmt.Sprintf("%s:%d", filepath.Base(f.Path), row) }

func newFile(path string, source []byte, root *Node) *File {
	f := &File{Path: path, Root: root, source: source}
	root.Walk(func(n *Node) bool {
		n.file = f
		if n.Bad {
			f.Problems = append(f.Problems, fmt.Sprintf("%s: not understood", f.at(n.Row)))
		}
		return true
	})
	if i := slices.IndexFunc(source, func(b byte) bool { return b > 126 }); i >= 0 {
		f.Problems = append(f.Problems, fmt.Sprintf("%s: byte %d is not ASCII", f.at(1+strings.Count(string(source[:i]), "\n")), i))
	}
	var decorators *Node
	for _, c := range root.Children {
		kind, ok := strings.CutSuffix(c.Kind, "_declaration")
		switch {
		case c.Kind == "decorators":
			decorators = c
			continue
		case c.Kind == "import_functionality":
			f.Imports = append(f.Imports, newImport(c))
		case ok || c.Kind == "user_defined_function":
			f.Decls = append(f.Decls, newDecl(shortKind(kind), c, decorators))
		}
		decorators = nil
	}
	return f
}

func shortKind(kind string) string {
	switch kind {
	case "parameter":
		return "param"
	case "variable":
		return "var"
	case "user_defined_function":
		return "func"
	}
	return kind
}

func newImport(n *Node) Import {
	i := Import{Names: map[string]string{}, Row: n.Row}
	var last string
	as := false
	for _, c := range n.Children {
		switch c.Kind {
		case "identifier":
			if as {
				delete(i.Names, last)
				i.Names[c.Text()], as = last, false
			} else {
				last = c.Text()
				i.Names[last] = last
			}
		case "as":
			as = true
		case "string":
			i.Path, _ = c.Value()
		}
	}
	return i
}

func newDecl(kind string, n, decorators *Node) *Decl {
	d := &Decl{Kind: kind, Node: n}
	assigned := false
	for _, c := range n.Children {
		switch {
		case c.Kind == "=" || c.Kind == "=>":
			assigned = true
		case assigned && d.Value == nil && c.Kind != "comment":
			d.Value = c
		case c.Kind == "identifier" && d.Name == "":
			d.Name = c.Text()
		case c.Kind == "string" && !assigned:
			d.Ref, _ = c.Value()
		case c.Kind == "existing":
			d.Existing = true
		case c.Kind == "type":
			d.Type = c
		}
	}
	if decorators != nil {
		for _, c := range decorators.Named() {
			call := c.Named()[0]
			switch call.Child("function").Text() {
			case "export":
				d.Exported = true
			case "description":
				if args := call.Child("arguments").Named(); len(args) == 1 {
					d.About, _ = args[0].Value()
				}
			}
		}
	}
	if body := Body(d.Value); kind == "resource" && body != nil {
		for _, p := range body.Named() {
			for _, c := range p.Named() {
				if c.Kind == "resource_declaration" {
					nested := newDecl("resource", c, nil)
					nested.Parent = d
					d.Nested = append(d.Nested, nested)
				}
			}
		}
	}
	return d
}

// Body is the object of a declaration, behind its loop and its condition.
func Body(value *Node) *Node {
	for n := value; n != nil; {
		switch n.Kind {
		case "object":
			return n
		case "for_statement":
			n = n.Child("body")
		case "if_statement":
			named := n.Named()
			n = named[len(named)-1]
		default:
			return nil
		}
	}
	return nil
}

// Property is the value of a property of an object; nil if it has none.
func Property(object *Node, name string) *Node {
	if object == nil || object.Kind != "object" {
		return nil
	}
	for _, p := range object.Named() {
		if key, value := KeyValue(p); value != nil && key == name {
			return value
		}
	}
	return nil
}

// Find follows properties down from an object.
func Find(object *Node, path ...string) *Node {
	for _, name := range path {
		object = Property(object, name)
	}
	return object
}

// KeyValue are the two sides of a property.
func KeyValue(property *Node) (key string, value *Node) {
	if property.Kind != "object_property" {
		return "", nil
	}
	for _, c := range property.Children {
		switch {
		case c.Kind == ":" || c.Kind == "comment":
		case key == "":
			if text, ok := c.Value(); ok {
				key = text
			} else {
				key = c.Text()
			}
		default:
			return key, c
		}
	}
	return key, nil
}

// Strings are the elements of an array of plain strings.
func Strings(array *Node) (list []string) {
	if array == nil || array.Kind != "array" {
		return nil
	}
	for _, c := range array.Named() {
		if text, ok := c.Value(); ok {
			list = append(list, text)
		}
	}
	return list
}
