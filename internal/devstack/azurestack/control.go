package azurestack

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"stackusage/internal/devstack/loopback"
)

// serveMetadata answers what a client must know before it has a token.
func (s *Stack) serveMetadata(w http.ResponseWriter, r *http.Request) {
	if err := checkVersion(r.URL.Query().Get("api-version"), "2015-01-01", "1.0"); err != nil {
		err.write(w)
		return
	}
	var body struct {
		GalleryEndpoint string `json:"galleryEndpoint"`
		GraphEndpoint   string `json:"graphEndpoint"`
		PortalEndpoint  string `json:"portalEndpoint"`
		Authentication  struct {
			LoginEndpoint string   `json:"loginEndpoint"`
			Audiences     []string `json:"audiences"`
		} `json:"authentication"`
	}
	own := base(r) + "/"
	body.GalleryEndpoint, body.GraphEndpoint, body.PortalEndpoint = own, own, own
	body.Authentication.LoginEndpoint = s.loginEndpoint(r)
	body.Authentication.Audiences = []string{s.Audience()}
	loopback.JSON(w, http.StatusOK, body)
}

// Audience returns the resource that a token for this stack must be for.
func (s *Stack) Audience() string {
	if s.opts.Audience != "" {
		return s.opts.Audience
	}
	return "https://adminmanagement.contoso.onmicrosoft.com/" + GUID("audience", s.source.provider)
}

func (s *Stack) loginEndpoint(r *http.Request) string {
	if s.opts.LoginEndpoint != "" {
		return s.opts.LoginEndpoint
	}
	return base(r) + "/"
}

func (s *Stack) serveSubscriptions(w http.ResponseWriter, r *http.Request) *apiError {
	if err := checkVersion(r.URL.Query().Get("api-version"), "2015-11-01"); err != nil {
		return err
	}
	loopback.JSON(w, http.StatusOK, map[string][]Subscription{"value": s.Subscriptions()})
	return nil
}

// serveDevstack answers the doors that a real stack does not have: the rows
// of an hour, for balance sheets, and what shall go wrong, for tests.
func (s *Stack) serveDevstack(w http.ResponseWriter, r *http.Request, door string) {
	switch r.Method + " " + door {
	case "GET rows":
		s.serveRows(w, r)
	case "POST faults":
		s.serveFaults(w, r)
	case "DELETE faults":
		s.mu.Lock()
		s.faults = nil
		s.mu.Unlock()
		loopback.JSON(w, http.StatusOK, struct{}{})
	default:
		(&apiError{http.StatusNotFound, "NotFound", "There are GET rows, POST faults and DELETE faults."}).write(w)
	}
}

// serveRows answers the rows of one reported hour as lines of JSON.
func (s *Stack) serveRows(w http.ResponseWriter, r *http.Request) {
	hour, err := parseTime(r.URL.Query().Get("hour"))
	if err != nil || !hour.Truncate(time.Hour).Equal(hour) {
		invalidProperty("hour", "is not a full hour").write(w)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	var lines bytes.Buffer
	for _, row := range s.source.hours[hour] {
		if bytes.ContainsAny(row.Raw, "\r\n") {
			if err := json.Compact(&lines, row.Raw); err != nil {
				panic(err) // rows were parsed when they were read
			}
		} else {
			lines.Write(row.Raw)
		}
		lines.WriteByte('\n')
	}
	w.Write(lines.Bytes())
}
