package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// sweep runs the Sweep function now.
func (s *site) sweep(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.host.URL()+"/admin/functions/Sweep", strings.NewReader(`{"input":""}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("run Sweep: HTTP %d", resp.StatusCode)
	}
	return nil
}

// status is what is read of the app's status page.
type status struct {
	OpenDays       []struct{}
	OpenRevisions  []struct{ UnansweredBatches int }
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("get %s: HTTP %d: %s", url, resp.StatusCode, text)
	}
	return resp.Body, nil
}

var errHostEnded = errors.New("the Functions host ended")
