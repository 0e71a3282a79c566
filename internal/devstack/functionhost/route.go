package functionhost

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is the path of one HTTP function, below the route prefix.
type route struct {
	fn       *function
	segments []segment
	methods  []string // empty: all
}

type segment struct {
	literal string // compared without case; "" for a parameter
	param   string
	rest    bool // {*param}: takes what remains
}

// parseRoute reads a route template of literal segments, {param} and, at the
// end, {*rest}.
func parseRoute(fn *function, prefix string) (*route, error) {
	template := fn.name
	if fn.trigger.Route != nil {
		template = *fn.trigger.Route
	}
	r := &route{fn: fn, methods: fn.trigger.Methods}
	parts := splitPath(prefix + "/" + template)
	for i, part := range parts {
		if !strings.ContainsAny(part, "{}") {
			r.segments = append(r.segments, segment{literal: part})
			continue
		}
		name, ok := strings.CutPrefix(part, "{")
		name, closed := strings.CutSuffix(name, "}")
		name, rest := strings.CutPrefix(name, "*")
		if !ok || !closed || name == "" || strings.ContainsAny(name, "{}*:?=") || rest && i != len(parts)-1 {
			return nil, fmt.Errorf("parse route %q of %s: the stand-in knows {name} and, at the end, {*name}", template, fn.name)
		}
		r.segments = append(r.segments, segment{param: name, rest: rest})
	}
	return r, nil
}

func splitPath(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// match returns the parameters if r is a route for the request.
func (r *route) match(req *http.Request) (map[string]string, bool) {
	if len(r.methods) > 0 && !slices.ContainsFunc(r.methods, func(m string) bool { return strings.EqualFold(m, req.Method) }) {
		return nil, false
	}
	parts := splitPath(req.URL.EscapedPath())
	params := make(map[string]string)
	for i, seg := range r.segments {
		if seg.rest {
			params[seg.param] = unescape(strings.Join(parts[min(i, len(parts)):], "/"))
			return params, true
		}
		if i >= len(parts) {
			return nil, false
		}
		got := unescape(parts[i])
		switch {
		case seg.param != "":
			params[seg.param] = got
		case !strings.EqualFold(got, seg.literal):
			return nil, false
		}
	}
	return params, len(parts) == len(r.segments)
}

// unescape leaves text that is not validly escaped as it is.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// sortRoutes puts the more specific route first: a literal before a parameter
// before a rest.
func sortRoutes(routes []*route) {
	rank := func(s segment) int {
		switch {
		case s.rest:
			return 2
		case s.param != "":
			return 1
		}
		return 0
	}
	slices.SortStableFunc(routes, func(a, b *route) int {
		for i := 0; i < len(a.segments) && i < len(b.segments); i++ {
			if d := rank(a.segments[i]) - rank(b.segments[i]); d != 0 {
				return d
			}
		}
		return len(b.segments) - len(a.segments)
	})
}
