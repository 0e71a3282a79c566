package handlers

import (
	"net/http"
	"time"

	"stackusage/functions"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// Route is Router for another list of functions than the embedded one.
func (a *App) Route(all []functions.Function) (http.Handler, error) {
	return a.route(all, a.functions())
}

// Slots is how many invocations of a function run at once.
func (a *App) Slots(function string) int64 { return a.functions()[function].slots }

// Turn reports whether a registration's turn came between two runs of Sweep: to
// be compared with all that landed, or to be asked for verdicts that may change.
func Turn(cloudID string, last, now time.Time) (all, undecided bool) {
	return turn(cloudID, last, now, compareAllEvery), turn(cloudID, last, now, undecidedEvery)
}

// DecodeWish reads the body of a request to change a registration.
func DecodeWish(text []byte) (registration.Wish, error) {
	var wanted resource.Registration
	if err := decodeRequest(text, &wanted); err != nil {
		return registration.Wish{}, err
	}
	return wish(wanted.Properties, "hamburg", &http.Request{Header: http.Header{}})
}

// DecodePrincipal is the decoder of X-MS-CLIENT-PRINCIPAL.
var DecodePrincipal = decodePrincipal

// Waits reports whether a day that was closed waits before its next revision.
func (a *App) Waits(last ledger.Revision, missing []usage.Hour) bool {
	return a.dueAgain("", 0, last, missing) != nil
}
