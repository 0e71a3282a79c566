package handlers

import (
	"context"
	"net/http"

	"github.com/gorilla/mux"

	"stackusage/shared/activation/issue"
)

func (a *App) activationKey(ctx context.Context, r *http.Request) (answer, error) {
	var req issue.Request
	if err := readRequest(r, &req); err != nil {
		return answer{}, err
	}
	issuer := issue.Issuer{Registrar: a.registrar(), Containers: a.Landing, Service: a.LandingService}
	key, err := issuer.Key(ctx, mux.Vars(r)["name"], req, caller(r))
	return answer{status: http.StatusOK, body: map[string]string{"activationKey": key}}, err
}
