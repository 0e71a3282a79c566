package bicep

import (
	"maps"
	"slices"
)

// typ is a declared type, as far as the files say; the zero typ is unknown.
type typ struct {
	node     *Node // object, array_type, primitive_type, union_type
	file     *File // that it is written in
	optional bool
}

// typeNames marks the types that a type refers to.
func (c *checker) typeNames(n *Node) {
	switch n.Kind {
	case "decorators", "string":
		return
	case "object_property":
		if _, value := KeyValue(n); value != nil {
			c.typeNames(value)
		}
		return
	case "identifier":
		c.used[n.Text()] = true
		if d, _ := c.typeDecl(c.f, n.Text()); d == nil {
			c.say(n, "type %s is not declared", n.Text())
		}
		return
	}
	for _, k := range n.Children {
		c.typeNames(k)
	}
}

func (c *checker) typeDecl(f *File, name string) (*Decl, *File) {
	if d := f.Decl("type", name); d != nil {
		return d, f
	}
	for _, i := range f.Imports {
		there, ok := i.Names[name]
		if !ok {
			continue
		}
		was := c.f
		c.f = f
		from := c.beside(i.Path)
		c.f = was
		if from != nil {
			return from.Decl("type", there), from
		}
	}
	return nil, nil
}

func (c *checker) resolve(f *File, n *Node) typ {
	if n == nil {
		return typ{}
	}
	switch n.Kind {
	case "type", "nullable_type", "parenthesized_type":
		if named := n.Named(); len(named) > 0 {
			t := c.resolve(f, named[0])
			t.optional = t.optional || n.Kind == "nullable_type"
			return t
		}
	case "identifier":
		if d, from := c.typeDecl(f, n.Text()); d != nil {
			return c.resolve(from, d.Value)
		}
	case "object", "array_type", "primitive_type", "union_type":
		return typ{node: n, file: f}
	}
	return typ{}
}

func (t typ) element(c *checker) typ {
	if t.node == nil || t.node.Kind != "array_type" {
		return typ{}
	}
	return c.resolve(t.file, t.node.Named()[0])
}

// property is the type of a property of a declared object type; ok is false if
// it has none of that name.
func (t typ) property(c *checker, name string) (p typ, ok bool) {
	if t.node == nil || t.node.Kind != "object" {
		return typ{}, true
	}
	value := Property(t.node, name)
	return c.resolve(t.file, value), value != nil
}

// typeOf is the declared type of an expression, if it has one; with tell, a
// property that its object's type has not got is a problem.
func (c *checker) typeOf(n *Node, locals scope, tell bool) typ {
	switch n.Kind {
	case "identifier":
		if t, local := locals[n.Text()]; local {
			return t
		}
		if d := c.f.Decl("param", n.Text()); d != nil {
			return c.resolve(c.f, d.Type)
		}
	case "subscript_expression":
		return c.typeOf(n.Child("object"), locals, false).element(c)
	case "member_expression":
		object, name := n.Child("object"), n.Child("property").Text()
		if from := c.moduleOf(object); from != nil {
			d := from.Decl("output", name)
			if d == nil {
				if tell {
					c.say(n, "%s has no output %s", from.Path, name)
				}
				return typ{}
			}
			return c.resolve(from, d.Type)
		}
		t, ok := c.typeOf(object, locals, false).property(c, name)
		if !ok && tell {
			c.say(n, "%s: the type has no property %s", n.Text(), name)
		}
		return t
	}
	return typ{}
}

// moduleOf is the file of a module whose outputs n is.
func (c *checker) moduleOf(n *Node) *File {
	if n.Kind != "member_expression" || n.Child("property").Text() != "outputs" || n.Child("object").Kind != "identifier" {
		return nil
	}
	if d := c.f.Decl("module", n.Child("object").Text()); d != nil {
		return c.beside(d.Ref)
	}
	return nil
}

// fits compares a value with the type that is asked for, as far as both are
// known.
func (c *checker) fits(value *Node, want typ, locals scope, who string) {
	if want.node == nil {
		return
	}
	kind := want.node.Kind
	switch {
	case value.Kind == "object" && kind == "object":
		c.fields(value, want, locals, who)
		return
	case value.Kind == "array" && kind == "array_type":
		for _, v := range value.Named() {
			c.fits(v, want.element(c), locals, who)
		}
		return
	case value.Kind == "object" || value.Kind == "array":
		if text := want.node.Text(); text != "object" && text != "array" {
			c.say(value, "%s: an %s, where %s is asked for", who, value.Kind, text)
		}
		return
	}
	literal := map[string]string{"string": "string", "number": "int", "boolean": "bool"}[value.Kind]
	have := c.typeOf(value, locals, false)
	switch {
	case literal != "" && (kind == "object" || kind == "array_type" || kind == "primitive_type" && want.node.Text() != literal):
		c.say(value, "%s: %s, where %s is asked for", who, value.Text(), want.node.Text())
	case have.node != nil && have.node != want.node && have.node.Kind != "union_type" && kind != "union_type" && have.node.Text() != want.node.Text():
		c.say(value, "%s: %s is of another type than asked for", who, value.Text())
	}
}

func (c *checker) fields(value *Node, want typ, locals scope, who string) {
	given := map[string]*Node{}
	for _, p := range value.Named() {
		key, v := KeyValue(p)
		given[key] = v
	}
	for _, p := range want.node.Named() {
		key, _ := KeyValue(p)
		if key == "" {
			continue // a decorator
		}
		field, _ := want.property(c, key)
		v, ok := given[key]
		delete(given, key)
		if !ok && !field.optional {
			c.say(value, "%s: property %s is missing", who, key)
		} else if ok {
			c.fits(v, field, locals, who+"."+key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		c.say(given[key], "%s: no property %s is asked for", who, key)
	}
}
