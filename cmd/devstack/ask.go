package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"stackusage/internal/devstack/loopback"
)

// sweep runs the Sweep function now.
func (s *site) sweep(ctx context.Context) error {
	return loopback.Tell(ctx, http.MethodPost, s.host.URL()+"/admin/functions/Sweep", `{"input":""}`)
}

// status is what is read of the app's status page.
type status struct {
	OpenDays       []struct{}
	OpenRevisions  []struct{ PendingBatches int }
	FailedMessages int
	Queues         map[string]int64
}

// settled reports whether nothing waits.
func (st status) settled() bool {
	for _, n := range st.Queues {
		if n > 0 {
			return false
		}
	}
	return len(st.OpenDays)+len(st.OpenRevisions) == 0
}

func (s *site) status(ctx context.Context) (st status, err error) {
	body, err := get(ctx, s.host.URL()+"/api/status")
	if err != nil {
		return st, err
	}
	defer body.Close()
	return st, json.NewDecoder(body).Decode(&st)
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	return loopback.Ask(ctx, http.MethodGet, url, "")
}

var errHostEnded = errors.New("the Functions host ended")
