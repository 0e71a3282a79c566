package status

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Bounds of what an agent may say and when.
const (
	maxHeartbeat      = 64 << 10            // bytes; an agent's has under 2 KB
	heartbeatEvery    = 2 * time.Hour       // an agent writes one an hour
	certificateSoon   = 30 * 24 * time.Hour // before its end
	certificateCloser = 7 * 24 * time.Hour
)

// agent reads the newest heartbeat.
func (s *stack) agent(ctx context.Context) error {
	if !s.container || !s.registered() {
		return nil
	}
	container := landing.Container(s.out.CloudID)
	name, err := s.newestHeartbeat(ctx, container)
	if err == nil && name != "" {
		s.out.Agent, err = s.readHeartbeat(ctx, container, name)
	}
	if err != nil {
		return fmt.Errorf("heartbeat %s: %w", name, err)
	}
	h := s.out.Agent
	doctor := []Step{{Command: "stackusage-agent doctor", Note: "on the stack"}}
	if expects := s.history.Calendar(); s.out.Watched && s.history.DeliveredEvery(s.now) == 0 && expects((usage.HourOf(s.now) - 1).Start()) && (h == nil || s.now.Sub(h.At) > heartbeatEvery) {
		silent := Finding{Code: AgentSilent, Severity: Notice, Text: "the agent has sent no heartbeat in this month or the last", Next: []Step{{Command: "stackusage-agent status", Note: "on the stack"}}}
		if h != nil {
			silent.Text, silent.Since = "the agent has sent no heartbeat", h.At
		}
		s.found(silent)
	}
	if h == nil {
		return nil
	}
	if text := strings.Trim(h.CollectError+"; "+h.UploadError, "; "); text != "" || h.FailingHours+h.FailingFiles > 0 {
		f := Finding{Code: AgentFailing, Severity: Notice, Since: h.At, Next: doctor,
			Text: fmt.Sprintf("the agent fails to collect %s and to upload %s", count(h.FailingHours, "hour"), count(h.FailingFiles, "file"))}
		if text != "" {
			f.Details = []string{fmt.Sprintf("%.500q", text)}
		}
		s.found(f)
	}
	if left := h.CredentialEnd.Sub(s.now); !h.CredentialEnd.IsZero() && left < certificateSoon {
		f := Finding{Code: CertificateEnds, Severity: Notice, Text: "a certificate or secret of the agent ends on " + usage.Point(h.CredentialEnd), Next: doctor}
		if left < certificateCloser {
			f.Severity = Problem
		}
		s.found(f)
	}
	return nil
}

// agentText is what the agent said last.
func (s *stack) agentText() string {
	h := s.out.Agent
	if h == nil {
		return "The agent has sent no heartbeat in this month or the last."
	}
	text := fmt.Sprintf("The agent's last heartbeat: %s, behind %s, backlog %d", usage.Point(h.At), usage.Span(time.Duration(h.SecondsBehind)*time.Second), h.BacklogHours)
	if !h.CredentialEnd.IsZero() {
		text += ", certificate or secret ends " + h.CredentialEnd.UTC().Format(time.DateOnly)
	}
	return text + "."
}

// newestHeartbeat looks in this month and, where there is none, in the last.
func (s *stack) newestHeartbeat(ctx context.Context, container string) (newest string, err error) {
	first := time.Date(s.now.Year(), s.now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, month := range []time.Time{first, first.AddDate(0, -1, 0)} {
		err := s.Landing.ListPrefix(ctx, container, landing.HeartbeatPrefix+month.Format("2006/01/"), func(name string, _ time.Time) error {
			newest = max(newest, name)
			return nil
		})
		if err != nil || newest != "" {
			return newest, err
		}
	}
	return "", nil
}

func (s *stack) readHeartbeat(ctx context.Context, container, name string) (*landing.Heartbeat, error) {
	body, _, err := s.Landing.Open(ctx, container, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxHeartbeat))
	if err != nil {
		return nil, err
	}
	var h landing.Heartbeat
	if err := strictjson.Unmarshal(text, &h); err != nil {
		return nil, err
	}
	if h.Format != landing.HeartbeatFormat {
		return nil, fmt.Errorf("format %.40q, want %s", h.Format, landing.HeartbeatFormat)
	}
	return &h, nil
}
