package doctor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/google/go-cmp/cmp"

	"stackusage/agent/config"
	"stackusage/agent/doctor"
	"stackusage/agent/inspection"
	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
)

// mustSay checks an outcome and parts of its texts.
func mustSay(t *testing.T, r doctor.Result, outcome doctor.Outcome, says ...string) {
	t.Helper()
	for _, part := range says {
		if r.Outcome != outcome || !strings.Contains(r.Found+r.Cause+"\n"+r.Advice, part) {
			t.Errorf("want %s with %q\n got %+v", outcome, part, r)
		}
	}
}

func TestClock(t *testing.T) {
	two := []string{"stack", "storage"}
	for _, tt := range []struct {
		name    string
		hosts   []string
		ahead   []time.Duration
		outcome doctor.Outcome
		says    []string
	}{
		{"nobody has told the time", nil, nil, doctor.Skipped, []string{"no server has sent its time"}},
		{"all agree", two, []time.Duration{time.Second, -time.Minute}, doctor.OK, []string{"at most 1 min from"}},
		{"a little more than a minute", two, []time.Duration{61 * time.Second, 62 * time.Second}, doctor.Warning, []string{"this machine's clock is 1 min behind that of storage", "NTP"}},
		{"five minutes", two, []time.Duration{-5 * time.Minute, -5 * time.Minute}, doctor.Warning, []string{"ahead of that of stack"}},
		{"more than five", two, []time.Duration{-5*time.Minute - time.Second, -2 * time.Minute}, doctor.Failed, []string{"this machine's clock is 5 min ahead of that of stack", "Services reject tokens"}},
		{"one server alone is off", two, []time.Duration{0, time.Hour}, doctor.Failed, []string{"the clock of storage is 1 h ahead of this machine's, with which other servers agree"}},
		{"days", two, []time.Duration{72 * time.Hour, 72 * time.Hour}, doctor.Failed, []string{"3 d behind"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mustSay(t, doctor.Clock(tt.hosts, tt.ahead), tt.outcome, tt.says...)
		})
	}
}

// asked is a stack that answers Hour with an error, or a row.
type asked struct{ err error }

func (asked) Metadata(context.Context) (stackapi.Metadata, error) { return stackapi.Metadata{}, nil }
func (asked) SignIn(context.Context) error                        { return nil }
func (asked) Namespace() string                                   { return stackapi.NamespaceOld }
func (a asked) Hour(_ context.Context, start time.Time, row func([]byte) error) (int, error) {
	if !start.Truncate(time.Hour).Equal(start) || time.Since(start) < 24*time.Hour {
		return 0, errors.New("asked for an hour that may not be ready")
	}
	if a.err != nil {
		return 0, a.err
	}
	return 0, row([]byte(`{}`))
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name    string
		err     error
		outcome doctor.Outcome
		says    []string
	}{
		{"a row", nil, doctor.OK, []string{"Microsoft.Commerce answers: usage in the hour of"}},
		{"not ready", &stackapi.Error{Status: 202, Err: stackapi.ErrNotReady}, doctor.OK, []string{"no fault"}},
		{"no right", &stackapi.Error{Status: 403, Code: "AuthorizationFailed", RequestID: "r-1"}, doctor.Failed, []string{"permission is missing", "AuthorizationFailed, x-ms-request-id r-1", "Reader on the default provider subscription p"}},
		{"another issuer's token", &stackapi.Error{Status: 401, Code: "InvalidAuthenticationToken"}, doctor.Failed, []string{"does not believe", "tenantId"}},
		{"a token that is old there", &stackapi.Error{Status: 401, Code: "ExpiredAuthenticationToken"}, doctor.Failed, []string{"clock"}},
		{"neither name", &stackapi.Error{Status: 404, Code: "InvalidResourceType"}, doctor.Failed, []string{"no usage API", "stack.endpoint"}},
		{"throttled", &stackapi.Error{Status: 429}, doctor.Warning, []string{"busy", "by itself"}},
		{"out of order", &stackapi.Error{Status: 500, Code: "InternalServerError"}, doctor.Failed, []string{"500 InternalServerError", "health"}},
		{"too slow", fmt.Errorf("x: %w", context.DeadlineExceeded), doctor.Warning, []string{"has not answered for", "--timeout"}},
		{"cut", &stackapi.Error{Op: "collect hour x", Page: 1, Err: errors.New("cut")}, doctor.Failed, []string{"does not tell usage: collect hour x page 1: cut"}},
		{"a sign-in that failed meanwhile", fmt.Errorf("x: %w", &signin.Error{Kind: signin.ExpiredSecret, ClientID: "c"}), doctor.Failed, []string{"secret has expired", "new secret"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := doctor.Parts{Stack: asked{tt.err}}
			p.Config.Stack.ProviderSubscription = "p"
			mustSay(t, doctor.Usage(t.Context(), p), tt.outcome, tt.says...)
		})
	}
}

func TestWhyStorageTakesNoBlob(t *testing.T) {
	signed := func(context.Context) error { return nil }
	for _, tt := range []struct {
		name string
		err  error
		says []string
	}{
		{"another directory", &azcore.ResponseError{StatusCode: 401, ErrorCode: "InvalidAuthenticationInfo"}, []string{"does not believe", "storage.signIn.tenantId"}},
		{"disabled", &azcore.ResponseError{StatusCode: 403, ErrorCode: "AccountIsDisabled"}, []string{"disabled"}},
		{"busy", &azcore.ResponseError{StatusCode: 503, ErrorCode: "ServerBusy"}, []string{"busy (503 ServerBusy)", "Wait"}},
		{"anything else", &azcore.ResponseError{StatusCode: 400, ErrorCode: "Odd"}, []string{"rejects the blob (400 Odd)"}},
		{"no answer", &url.Error{Op: "Put", URL: "https://x/?sig=hidden", Err: errors.New("cut")}, []string{"does not take a blob: cut"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := doctor.ExplainCreate(doctor.Parts{StorageSignIn: signed}, tt.err)
			mustSay(t, r, doctor.Failed, tt.says...)
			if strings.Contains(r.Cause+r.Advice, "hidden") {
				t.Errorf("shows a signature: %+v", r)
			}
		})
	}
	key := doctor.Parts{}
	key.Config.Storage.ConnectionStringEnv = "EMULATOR"
	mustSay(t, doctor.ExplainCreate(key, &azcore.ResponseError{StatusCode: 403, ErrorCode: "AuthenticationFailed"}), doctor.Failed, "key in the variable EMULATOR")
}

func TestConnections(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	mustSay(t, doctor.Explain("stack", "x.invalid", false, &net.DNSError{IsNotFound: true}), doctor.Failed, "the name x.invalid cannot be resolved: no DNS server", "stack.region and stack.domain")
	mustSay(t, doctor.Explain("proxy", "x.invalid", false, &net.DNSError{IsTimeout: true}), doctor.Failed, "DNS server does not answer", "port 53")
	mustSay(t, doctor.Explain("stack", "x:443", false, dial(os.NewSyscallError("connect", syscall.ECONNREFUSED))), doctor.Failed, "x:443 cannot be reached: it refuses")
	mustSay(t, doctor.Explain("storage", "x:443", false, dial(os.ErrDeadlineExceeded)), doctor.Failed, "x:443 does not answer in time: the port is blocked", "drops packets")
	mustSay(t, doctor.Explain("storage", "x:443", false, dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH))), doctor.Failed, "x:443 cannot be reached: ", "routes")
}

func TestReport(t *testing.T) {
	t.Run("what servers say does not write on the terminal", func(t *testing.T) {
		var b bytes.Buffer
		doctor.Result{Check: "clock", Outcome: doctor.Failed, At: "x", Cause: "a\x1b[2Jb\u009bc", Advice: "one\ntwo"}.Print(&b)
		want := "clock                     FAILED   x: a [2Jb c\n                                   -> one\n                                   -> two\n"
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("for programs", func(t *testing.T) {
		var b bytes.Buffer
		if err := doctor.WriteJSON(&b, []doctor.Result{{Check: "clock", Outcome: doctor.Failed, Cause: "a < b", Advice: "do"}}); err != nil {
			t.Fatal(err)
		}
		want := `{"ok":false,"checks":[{"check":"clock","outcome":"failed","cause":"a < b","advice":"do"}]}`
		if got := strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(b.String()); got != want {
			t.Errorf("got %s", got)
		}
	})
	t.Run("sizes are short", func(t *testing.T) {
		for n, want := range map[uint64]string{0: "0B", 5000: "5000B", 11 << 10: "11KiB", 73<<30 + 12345: "73GiB", 9<<30 + 5<<20: "9221MiB"} {
			if got := doctor.SizeText(n); got != want {
				t.Errorf("%d: %s, want %s", n, got, want)
			}
		}
	})
}

func TestWhatNeedsABrokenLinkIsSkipped(t *testing.T) {
	load := func() (doctor.Parts, error) {
		return doctor.Parts{}, &config.Error{Path: "c.yaml", Problems: []config.Problem{{Line: 3, Key: "cloudId", Text: "missing"}}}
	}
	var told []doctor.Result
	results, err := doctor.Run(t.Context(), doctor.Options{Path: "c.yaml", Load: load, Report: func(r doctor.Result) { told = append(told, r) }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(told, results); diff != "" {
		t.Errorf("told (-) and returned (+)\n%s", diff)
	}
	mustSay(t, results[0], doctor.Failed, "wrong or missing in it: 1", "cloudId: missing")
	for _, r := range results[1:] {
		mustSay(t, r, doctor.Skipped, "because configuration failed")
	}
	t.Run("one who stops it is told so", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := doctor.Run(ctx, doctor.Options{Load: load}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestWhatTheAgentSaysIsShort(t *testing.T) {
	for n, more := range map[int]string{2: "", 4: "", 300: "\n296 more are open: stackusage-agent status names them.\n"} {
		open := make([]string, n)
		for i := range open {
			open[i] = fmt.Sprintf("hour %d is not stored", i)
		}
		r := doctor.Agent(doctor.Parts{Inspect: func() (inspection.Inspection, error) {
			return inspection.Inspection{Status: &status.Status{}, Open: open}, nil
		}})
		if lines := strings.Count(r.Advice, "\n") + 1; lines > 5 || !strings.Contains(r.Advice, more) || r.Outcome != doctor.Failed {
			t.Errorf("of %d: %+v", n, r)
		}
	}
}

func TestWhatTheAgentSaidIsDamaged(t *testing.T) {
	found := inspection.Inspection{Unread: errors.New("read status of x: damaged"), Open: []string{"x"}}
	parts := doctor.Parts{Inspect: func() (inspection.Inspection, error) { return found, nil }}
	mustSay(t, doctor.Agent(parts), doctor.Warning, "read status of x: damaged", "replaces it within the hour")
	found.Behind = &inspection.Finding{Cause: "hour y is not collected", Advice: "see its log"}
	mustSay(t, doctor.Agent(parts), doctor.Failed, "hour y is not collected", "see its log")
}
