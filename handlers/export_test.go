package handlers

import (
	"net/http"

	"stackusage/functions"
	"stackusage/shared/registrar"
	"stackusage/shared/registration/resource"
)

// Route is Router for another list of functions than the embedded one.
func (a *App) Route(all []functions.Function) (http.Handler, error) {
	return a.route(all, a.functions())
}

// Slots is how many invocations of a function run at once.
func (a *App) Slots(function string) int64 { return a.functions()[function].slots }

// DecodeChange reads the body of a request to change a registration.
func DecodeChange(text []byte) (registrar.Change, error) {
	var wanted resource.Registration
	if err := decodeRequest(text, &wanted); err != nil {
		return registrar.Change{}, err
	}
	return wish(wanted.Properties, "hamburg", &http.Request{Header: http.Header{}})
}

// DecodePrincipal is the decoder of X-MS-CLIENT-PRINCIPAL.
var DecodePrincipal = decodePrincipal
