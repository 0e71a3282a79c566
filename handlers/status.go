package handlers

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"stackusage/shared/status"
)

func (a *App) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	w.Header().Set("Content-Type", "application/json")
	s, err := status.Reader{
		Closer: a.closer(), Tables: a.Tables, Registrations: a.Registrations, Blobs: a.Blobs, Landing: a.Landing, Queues: a.Queues, Log: a.log(ctx), Now: a.Now,
	}.Read(ctx)
	if err != nil {
		a.Log.ErrorContext(ctx, "status failed", slog.String("error", err.Error()))
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"error":"storage does not answer; the log says more"}`))
		return
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s) // the client may be gone
}
