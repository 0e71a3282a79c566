package transport_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"stackusage/agent/transport"
)

func TestAClockThatJumpsIsTold(t *testing.T) {
	var off time.Duration
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
	}))
	defer server.Close()
	var told []time.Duration
	clocks := &transport.Clocks{Jumped: func(_ string, ahead, _ time.Duration) { told = append(told, ahead.Round(time.Minute)) }}
	client, err := transport.New(transport.Config{Clocks: clocks})
	if err != nil {
		t.Fatal(err)
	}
	for _, off = range []time.Duration{0, 30 * time.Second, time.Hour, time.Hour + 20*time.Second, -time.Hour, 0} {
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if want := []time.Duration{time.Hour, -time.Hour, 0}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
