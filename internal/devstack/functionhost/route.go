package functionhost

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"stackusage/internal/devstack/functionhost/app"
)

// routes finds the function of an HTTP request. Routes compare without case, and the
// more specific one wins.
type routes struct {
	mux       *http.ServeMux // only asked for patterns
	functions map[string]*app.Function
}

func newRoutes(a *app.App) *routes {
	r := &routes{mux: http.NewServeMux(), functions: map[string]*app.Function{}}
	for _, fn := range a.Functions {
		if fn.Trigger.Type != app.HTTPTrigger || fn.Disabled {
			continue
		}
		route := fn.Trigger.Route
		if route == "" {
			route = fn.Name
		}
		pattern := strings.ToLower(path.Join("/", a.Config.RoutePrefix, route))
		r.mux.Handle(pattern, http.NotFoundHandler())
		r.functions[pattern] = fn
	}
	return r
}

// find returns nil if no function takes the request.
func (r *routes) find(req *http.Request) *app.Function {
	lower := &url.URL{Path: strings.ToLower(req.URL.Path), RawPath: strings.ToLower(req.URL.RawPath)}
	_, pattern := r.mux.Handler(&http.Request{Method: req.Method, URL: lower})
	fn := r.functions[pattern]
	taken := func(method string) bool { return strings.EqualFold(method, req.Method) }
	if fn == nil || fn.Trigger.Methods != nil && !slices.ContainsFunc(fn.Trigger.Methods, taken) {
		return nil
	}
	return fn
}
