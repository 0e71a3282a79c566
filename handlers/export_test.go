package handlers

import (
	"net/http"

	"stackusage/functions"
)

// Route is Router for another list of functions than the embedded one.
func (a *App) Route(all []functions.Function) (http.Handler, error) {
	return a.route(all, a.functions())
}

// Slots is how many invocations of a function run at once.
func (a *App) Slots(function string) int64 { return a.functions()[function].slots }
