package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/functionhost"
	"stackusage/shared/azurestore"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

const canary = "ca7a5700-0000-4000-8000-000000000001"

// TestSmokeTest checks a deployment that works, and one that is half there.
func TestSmokeTest(t *testing.T) {
	t.Parallel()
	s := newAppSite(t)
	s.startHost(t, functionhost.Options{AppDir: filepath.Join(built, "app"), Key: "check-key"})
	s.announceByKey(t)
	key := []string{"STACKUSAGE_FUNCTION_KEY=check-key"}
	check := func(t *testing.T, args ...string) (code int, out, errs string) {
		t.Helper()
		code, out, errs = s.tool(t, key, append([]string{"smoke-test", "--app-url", s.host.URL(), "--subscription", payer, "--wait", "2m"}, args...)...)
		if strings.Contains(out+errs, "check-key") || strings.Contains(out+errs, "AccountKey") {
			t.Error("it shows a secret")
		}
		return code, out, errs
	}
	var day, record string
	t.Run("the first run shows each step with its time, and the receipt", func(t *testing.T) {
		code, out, errs := check(t)
		if steps := stepsOf(out); code != 0 || errs != "" || !cmp.Equal(steps, []string{"ok status", "ok register", "ok drop", "ok ingest", "ok close", "ok receipt"}) {
			t.Fatalf("exit code %d, steps %v\n%s%s", code, steps, out, errs)
		}
		day = regexp.MustCompile(`usage day (\S+), revision 1, 1 record `).FindStringSubmatch(out)[1]
		record = regexp.MustCompile(`commerce has outcome Accepted for record (\S+), model Development`).FindStringSubmatch(out)[1]
	})
	t.Run("asked for the same day again, it shows the receipt that is there", func(t *testing.T) {
		code, out, errs := check(t, "--day", day)
		if code != 0 || errs != "" || !strings.Contains(out, " was there already ") || !strings.Contains(out, " for record "+record+", ") ||
			strings.Contains(out, "The deployment works") || !strings.Contains(out, "The receipt is of an earlier run") {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	})
	t.Run("two at once take the next day, and see the same receipt", func(t *testing.T) {
		var outs [2]string
		var wait sync.WaitGroup
		for i := range outs {
			wait.Go(func() {
				code, out, errs := check(t)
				if code != 0 || errs != "" {
					t.Errorf("exit code %d\n%s%s", code, out, errs)
				}
				outs[i] = strings.Join(regexp.MustCompile(`usage day \S+,|for record \S+,`).FindAllString(out, -1), " ")
			})
		}
		wait.Wait()
		if outs[0] != outs[1] || strings.Contains(outs[0], day) || strings.Contains(outs[0], record) {
			t.Errorf("got %q", outs)
		}
	})
	t.Run("when all days are taken it says what to do", func(t *testing.T) {
		code, out, errs := check(t, "--days", "2")
		if code != 2 || !strings.Contains(out, "each of the last 2 days has a receipt") || errs != "stackusage: the deployment does not work yet: drop failed\n" {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	})
	t.Run("it is charged nothing, touches no other stamp, and leaves nothing open", func(t *testing.T) {
		if bill := getBody(t, s.commerce.URL+"/v1/bill?month="+day[:7]); !match(`"billingModel": ?"Development"`, bill) || !match(`"total": ?"0[.0]*"`, bill) || match(`"amount": ?"[^"]*[1-9]`, bill) {
			t.Errorf("the bill: %s", bill)
		}
		account, err := azurestore.Connect(s.setting, "UsageStorage")
		must(t, err)
		tables := account.Tables
		for late := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // Sweep closes what has its receipt
			marks, err := openday.List(t.Context(), tables)
			must(t, err)
			if len(marks) == 0 {
				break
			}
			if time.Now().After(late) {
				t.Fatalf("open: %+v", marks)
			}
		}
		for _, name := range table.Names() {
			for row, err := range account.Tables.List(t.Context(), name, "", "", "") {
				must(t, err)
				if name == table.Sweeps && row.Partition == "app" { // the last run of Sweep, of no stack
					continue
				}
				if !strings.HasPrefix(row.Partition, canary) && name != table.Registrations {
					t.Errorf("%s has a row %s %s", name, row.Partition, row.Key)
				}
			}
		}
		book, err := registry.Registry{Tables: account.Tables}.History(t.Context(), canary)
		must(t, err)
		if n := len(book.Registrations); n != 1 || book.Registrations[0].BillingModel != registration.Development {
			t.Errorf("%d entries: %+v", n, book.Registrations)
		}
		if code, out, errs := s.tool(t, nil, "verify"); code != 0 {
			t.Errorf("verify: %s%s", out, errs)
		}
	})
	t.Run("without the key it says what to set", func(t *testing.T) {
		code, out, errs := s.tool(t, nil, "smoke-test", "--app-url", s.host.URL(), "--subscription", payer)
		if code != 2 || !slices.Equal(stepsOf(out), []string{"FAILED status"}) || !strings.Contains(out, "answers 401 Unauthorized; the call was not let in: set STACKUSAGE_FUNCTION_KEY") {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	})
}

// TestSmokeTestWithoutCommerce: all works but the last step.
func TestSmokeTestWithoutCommerce(t *testing.T) {
	t.Parallel()
	s := newAppSite(t)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(away.Close)
	s.settings["COMMERCE_ENDPOINT"] = away.URL
	s.startHost(t, functionhost.Options{AppDir: filepath.Join(built, "app")})
	s.announceByKey(t)
	code, out, errs := s.tool(t, nil, "smoke-test", "--app-url", s.host.URL(), "--subscription", payer, "--wait", "20s")
	steps := stepsOf(out)
	if code != 2 || len(steps) != 6 || steps[5] != "FAILED receipt" || !regexp.MustCompile(`commerce has not answered: its batch was sent [1-9]\d* times; the last response of commerce: ".*403.*"; look at COMMERCE_ENDPOINT`).MatchString(out) {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	t.Run("the next run takes up the day that the failed one began", func(t *testing.T) {
		_, again, _ := s.tool(t, nil, "smoke-test", "--app-url", s.host.URL(), "--subscription", payer, "--wait", "1s")
		day := regexp.MustCompile(`usage day \S+,`)
		if day.FindString(again) == "" || day.FindString(again) != day.FindString(out) {
			t.Errorf("first\n%s\nthen\n%s", out, again)
		}
	})
}

var stepLine = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  (ok|FAILED) +(\w+) .*\)$`)

func stepsOf(out string) (steps []string) {
	for _, m := range stepLine.FindAllStringSubmatch(out, -1) {
		steps = append(steps, fmt.Sprintf("%s %s", m[1], m[2]))
	}
	return steps
}

func getBody(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", url, resp.Status, text, err)
	}
	return string(text)
}
