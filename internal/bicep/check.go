package bicep

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
)

// Check says what is wrong with files that belong together: what is not
// understood, names that are not declared, declared twice or never used,
// modules, parameters and outputs that do not fit, properties that a declared
// type has not got.
func Check(files []*File) (problems []string) {
	c := &checker{files: map[string]*File{}, deployments: map[string]string{}}
	for _, f := range files {
		c.files[filepath.Clean(f.Path)] = f
	}
	for _, f := range files {
		c.file(f)
	}
	return c.problems
}

type checker struct {
	files       map[string]*File
	problems    []string
	deployments map[string]string // name of a module's deployment -> where

	f    *File
	used map[string]bool
}

func (c *checker) say(n *Node, format string, args ...any) {
	c.problems = append(c.problems, c.f.at(n.Row)+": "+fmt.Sprintf(format, args...))
}

func (c *checker) beside(path string) *File {
	return c.files[filepath.Join(filepath.Dir(c.f.Path), filepath.FromSlash(path))]
}

// Kinds of declarations that share one space of names.
var symbols = []string{"param", "var", "resource", "module", "type", "func"}

func (c *checker) file(f *File) {
	c.f, c.used = f, map[string]bool{}
	c.problems = append(c.problems, f.Problems...)
	if len(f.Problems) > 0 {
		return
	}
	declared := map[string]bool{}
	for _, i := range f.Imports {
		from := c.beside(i.Path)
		for here, there := range i.Names {
			declared[here] = true
			if from == nil {
				c.problems = append(c.problems, fmt.Sprintf("%s: imports from %s, which is not there", f.at(i.Row), i.Path))
			} else if d := exported(from, there); d == nil {
				c.problems = append(c.problems, fmt.Sprintf("%s: %s exports no %s", f.at(i.Row), i.Path, there))
			}
		}
	}
	for _, d := range f.Decls {
		if slices.Contains(symbols, d.Kind) {
			if declared[d.Name] {
				c.say(d.Node, "%s is declared twice", d.Name)
			}
			declared[d.Name] = true
		}
	}
	for _, d := range f.Decls {
		c.decl(d)
	}
	if path := f.using(); path != "" {
		c.assignments(f, path)
		return
	}
	for _, d := range f.Decls {
		unused := d.Kind == "param" || (d.Kind == "var" || d.Kind == "type" || d.Kind == "func") && !d.Exported || d.Kind == "resource" && d.Existing && d.Nested == nil
		if unused && !c.used[d.Name] {
			c.say(d.Node, "%s %s is never used", d.Kind, d.Name)
		}
	}
	for _, i := range f.Imports {
		for here := range i.Names {
			if !c.used[here] {
				c.problems = append(c.problems, fmt.Sprintf("%s: import %s is never used", f.at(i.Row), here))
			}
		}
	}
}

func exported(f *File, name string) *Decl {
	for _, kind := range []string{"var", "type", "func"} {
		if d := f.Decl(kind, name); d != nil && d.Exported {
			return d
		}
	}
	return nil
}

func (c *checker) decl(d *Decl) {
	if (d.Kind == "param" || d.Kind == "output") && d.About == "" && c.f.using() == "" {
		c.say(d.Node, "%s %s has no description", d.Kind, d.Name)
	}
	switch {
	case d.Kind == "metadata":
		return
	case d.Kind == "type":
		c.typeNames(d.Value)
		return
	case d.Type != nil:
		c.typeNames(d.Type)
	}
	if d.Value == nil {
		return
	}
	locals := scope{}
	c.expr(d.Value, locals)
	switch d.Kind {
	case "param", "output":
		c.fits(d.Value, c.resolve(c.f, d.Type), locals, d.Kind+" "+d.Name)
	case "module":
		c.module(d)
	}
}

// module compares what a module is given with what it declares.
func (c *checker) module(d *Decl) {
	body := Body(d.Value)
	if name, ok := Property(body, "name").Value(); ok {
		if other := c.deployments[name]; other != "" {
			c.say(d.Node, "deployment %s has the name of another one in %s", name, other)
		}
		c.deployments[name] = filepath.Base(c.f.Path)
	}
	from := c.beside(d.Ref)
	if from == nil {
		c.say(d.Node, "module %s is not there", d.Ref)
		return
	}
	given := map[string]*Node{}
	if params := Property(body, "params"); params != nil {
		for _, p := range params.Named() {
			key, value := KeyValue(p)
			given[key] = value
		}
	}
	c.params(from, given, d.Node, "module "+d.Name)
}

// assignments compares a parameter file with its template.
func (c *checker) assignments(f *File, path string) {
	from := c.beside(path)
	if from == nil {
		c.problems = append(c.problems, fmt.Sprintf("%s: template %s is not there", f.at(1), path))
		return
	}
	given := map[string]*Node{}
	for _, d := range f.Decls {
		given[d.Name] = d.Value
	}
	c.params(from, given, f.Root, "the file")
}

func (c *checker) params(from *File, given map[string]*Node, at *Node, who string) {
	for _, p := range from.Decls {
		if p.Kind != "param" {
			continue
		}
		value, ok := given[p.Name]
		delete(given, p.Name)
		want := c.resolve(from, p.Type)
		switch {
		case ok:
			c.fits(value, want, scope{}, who+", param "+p.Name)
		case p.Value == nil && !want.optional:
			c.say(at, "%s does not set param %s", who, p.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		c.say(given[name], "%s sets param %s, which %s has not got", who, name, filepath.Base(from.Path))
	}
}
