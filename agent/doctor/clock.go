package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackusage/shared/usage"
)

// What issuers and storage forgive a clock, and what is worth mending.
const (
	maxSkew  = 5 * time.Minute
	noteSkew = time.Minute
)

// clock is that of a server.
type clock struct {
	host  string
	ahead time.Duration // of this machine's, by the second
}

// clockOf reads an answer's Date as of the middle of the way. It is cut to a
// whole second, half of which is given back.
func clockOf(host string, resp *http.Response, sent time.Time, took time.Duration) []clock {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return nil
	}
	ahead := date.Add(time.Second / 2).Sub(sent.Add(took / 2)).Round(time.Second)
	return []clock{{host, ahead}}
}

// clock compares this machine's clock with all that answered. If none agrees
// with it, this machine's is wrong; otherwise theirs.
func (e *examination) clock(context.Context) Result {
	if len(e.clocks) == 0 {
		return Result{Outcome: Skipped, Cause: "because no server has sent its time"}
	}
	worst := e.clocks[0]
	agree := 0
	for _, c := range e.clocks {
		if c.ahead.Abs() <= noteSkew {
			agree++
		}
		if c.ahead.Abs() > worst.ahead.Abs() {
			worst = c
		}
	}
	if worst.ahead.Abs() <= noteSkew {
		return ok("at most " + usage.Span(worst.ahead.Abs()) + " from the servers'")
	}
	r := warning("this machine's clock is "+off(-worst.ahead)+" that of "+worst.host, "Set this machine's clock, and keep it right with NTP.")
	if agree > 0 {
		r = warning("the clock of "+worst.host+" is "+off(worst.ahead)+" this machine's, with which other servers agree",
			"Have the clock of "+worst.host+" set; this machine's seems right.")
	}
	if worst.ahead.Abs() > maxSkew {
		r.Outcome = Failed
		r.Advice += " Services reject tokens when clocks are more than " + usage.Span(maxSkew) + " apart."
	}
	return r
}

// off says how far a clock is ahead, no closer than a Date tells.
func off(d time.Duration) string {
	text := usage.Span(d.Abs().Round(10 * time.Second))
	if d < 0 {
		return text + " behind"
	}
	return text + " ahead of"
}

// explainExpired tells an expired certificate from a clock that is wrong: the
// server is asked for its time over a connection that is not trusted with
// anything else.
func (e *examination) explainExpired(ctx context.Context, u *url.URL, chain []*x509.Certificate) Result {
	bad := chain[0]
	now := time.Now()
	for _, cert := range chain {
		if now.After(cert.NotAfter) || now.Before(cert.NotBefore) {
			bad = cert
			break
		}
	}
	client := &http.Client{
		Transport: &http.Transport{
			Proxy:             func(req *http.Request) (*url.URL, error) { return e.parts.Proxy(req.URL) },
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, sent, took, err := head(ctx, client, u)
	if err == nil {
		for _, c := range clockOf(u.Host, resp, sent, took) {
			theirs := now.Add(c.ahead)
			if c.ahead.Abs() > maxSkew && theirs.After(bad.NotBefore) && theirs.Before(bad.NotAfter) {
				return failed("this machine's clock is "+off(-c.ahead)+" the server's, so that its certificate seems not valid", "Set this machine's clock, and keep it right with NTP.")
			}
		}
	}
	if now.Before(bad.NotBefore) {
		return failed("the server's certificate is valid from "+usage.Point(bad.NotBefore)+" only", "Check this machine's clock; if it is right, have the server given a valid certificate.")
	}
	return failed("the server's certificate has expired: it was valid until "+usage.Point(bad.NotAfter),
		"Have the certificate of "+strings.TrimSpace(u.Host)+" renewed by who runs it.")
}
