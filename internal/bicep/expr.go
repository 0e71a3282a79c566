package bicep

import (
	"maps"
	"slices"
)

// functions of the language that are known here.
var functions = []string{
	"any", "concat", "contains", "empty", "environment", "filter", "format", "guid", "items", "join", "json", "last", "length", "map",
	"max", "min", "range", "replace", "resourceGroup", "resourceId", "split", "string", "subscription", "subscriptionResourceId", "take",
	"tenant", "toLower", "union", "uniqueString",
}

// scope is what loops and lambdas declare, with types where they are known.
type scope map[string]typ

func (s scope) with(name string, t typ) scope {
	inner := maps.Clone(s)
	inner[name] = t
	return inner
}

// expr goes through an expression and marks what it refers to.
func (c *checker) expr(n *Node, locals scope) {
	switch n.Kind {
	case "comment", "decorators", "property_identifier":
		return
	case "identifier":
		c.reference(n, locals)
		return
	case "resource_declaration":
		d := newDecl("resource", n, nil)
		c.expr(d.Value, locals)
		return
	case "object_property":
		for _, k := range n.Children {
			if k.Kind == ":" {
				break
			}
			if k.Kind == "string" {
				c.children(k, locals) // an interpolated key
			}
		}
		if _, value := KeyValue(n); value != nil {
			c.expr(value, locals)
		} else {
			c.children(n, locals) // a nested resource
		}
		return
	case "call_expression":
		if fn := n.Child("function"); fn.Kind == "identifier" {
			if c.used[fn.Text()] = true; !slices.Contains(functions, fn.Text()) && c.f.Decl("func", fn.Text()) == nil {
				c.say(fn, "function %s is not known", fn.Text())
			}
		}
		c.expr(n.Child("arguments"), locals)
		return
	case "lambda_expression":
		named := n.Named()
		inner := locals
		named[0].Walk(func(k *Node) bool {
			if k.Kind == "identifier" {
				inner = inner.with(k.Text(), typ{})
			}
			return true
		})
		c.expr(named[1], inner)
		return
	case "for_statement":
		c.loop(n, locals)
		return
	case "resource_expression":
		c.nested(n)
		return
	case "member_expression":
		c.expr(n.Child("object"), locals)
		c.typeOf(n, locals, true)
		return
	}
	c.children(n, locals)
}

func (c *checker) children(n *Node, locals scope) {
	for _, k := range n.Children {
		c.expr(k, locals)
	}
}

func (c *checker) reference(n *Node, locals scope) {
	name := n.Text()
	if _, local := locals[name]; local {
		return
	}
	c.used[name] = true
	for _, kind := range symbols {
		if kind != "type" && c.f.Decl(kind, name) != nil {
			return
		}
	}
	for _, i := range c.f.Imports {
		if _, ok := i.Names[name]; ok {
			return
		}
	}
	c.say(n, "%s is not declared", name)
}

func (c *checker) loop(n *Node, locals scope) {
	inner := locals
	in := false
	var over *Node
	for _, k := range n.Children {
		switch {
		case k.Kind == "in":
			in = true
		case in && over == nil && k.Kind != "comment":
			over = k
		}
	}
	c.expr(over, locals)
	element := c.typeOf(over, locals, false).element(c)
	for _, k := range n.Children {
		switch {
		case k.Field == "initializer":
			inner = inner.with(k.Text(), element)
		case k.Kind == "for_loop_parameters":
			for i, v := range k.Named() {
				inner = inner.with(v.Text(), map[bool]typ{true: element}[i == 0])
			}
		}
	}
	c.expr(n.Child("body"), inner)
}

// nested follows outer::inner to the resource that is declared inside.
func (c *checker) nested(n *Node) *Decl {
	name := n.Child("resource").Text()
	var outer *Decl
	switch o := n.Child("object"); o.Kind {
	case "identifier":
		c.used[o.Text()] = true
		outer = c.f.Decl("resource", o.Text())
	case "resource_expression":
		outer = c.nested(o)
	}
	if outer != nil {
		for _, d := range outer.Nested {
			if d.Name == name {
				return d
			}
		}
	}
	c.say(n, "%s is not declared", n.Text())
	return nil
}
