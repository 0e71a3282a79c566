package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/shared/commerce"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
)

// mutantVar names the place in the pipeline that was broken on purpose, in the copy
// of the module that a test runs in.
const mutantVar = "STACKUSAGE_MUTANT"

// TestVerifyScenario is an app of which each rule decides something: sums of several
// rows, many digits, tags, a catalogue, two tenants, a conflict. Nothing differs; in
// a copy of the module with a broken rule something must.
func TestVerifyScenario(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	web := httptest.NewServer(http.HandlerFunc(conflictOnce()))
	t.Cleanup(web.Close)
	r.Commerce = &commerce.Client{Endpoint: web.URL, HTTP: &http.Client{Timeout: 5 * time.Second}}
	r.reroute(t)
	r.registerAs(t, func(*registration.Registration) {})
	r.mapTenant(t, contoso, contosoPays, "20191201")
	r.mapTenant(t, fabrikam, "77777777-29a7-4eba-a6d4-76202383f07f", "20191201")
	tagged := strings.Replace(row(2, hour22-1, "0.25"), `\"tags\":\"\"`, `\"tags\":\"{\\\"owner\\\":\\\"a\\\"}\"`, 1)
	r.tenantHour(t, hour22, map[string]string{subscription: contoso}, row(1, hour22-1, "0.1234567890123456789012345"), row(1, hour22-1, "1"), tagged)
	r.tenantHour(t, hour23, map[string]string{subscription: fabrikam}, row(1, hour22, "0.1234567890123456789012345"))
	r.tenantHour(t, hour00, map[string]string{subscription: fabrikam}, row(3, hour23, "4"))
	rnd := rand.New(rand.NewPCG(1, 1))
	r.untilNothingIsOpen(t, rnd)
	r.advance(2 * time.Hour)
	r.sweep(t)
	r.ingest(t, hour00+1, row(5, hour23, "1"))
	r.untilNothingIsOpen(t, rnd)
	differences := r.audit(t).Differences
	if os.Getenv(mutantVar) == "" && len(differences) > 0 {
		t.Errorf("%q", differences)
	} else if os.Getenv(mutantVar) != "" && len(differences) == 0 {
		t.Errorf("%s is broken, and nothing differs", os.Getenv(mutantVar))
	}
}

// conflictOnce is a commerce that has the first record with another quantity, and
// takes the rest.
func conflictOnce() http.HandlerFunc {
	known := ""
	return func(w http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(req.Body)
		var body struct{ Records []struct{ RecordID string } }
		if req.Method == http.MethodGet || json.Unmarshal(text, &body) != nil || len(body.Records) == 0 {
			_, _ = io.WriteString(w, `{"value":[]}`)
			return
		}
		results := make([]outcome.Result, len(body.Records))
		for i, rec := range body.Records {
			if known == "" {
				known = rec.RecordID
			}
			results[i] = outcome.Result{RecordID: rec.RecordID, Status: outcome.Accepted}
			if rec.RecordID == known {
				results[i] = outcome.Result{RecordID: rec.RecordID, Status: outcome.Conflict, Quantity: "0.5"}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"results": results})
	}
}

// TestVerifySeesBrokenRules breaks one rule of the pipeline after the other, in a copy
// of the module, and runs the scenario there: STACKUSAGE_SOAK=1 go test ./handlers -run
// TestVerifySeesBrokenRules.
func TestVerifySeesBrokenRules(t *testing.T) {
	if soak(0, 1) == 0 {
		t.Skip("builds the module eight times: only with STACKUSAGE_SOAK")
	}
	root, err := filepath.Abs("..")
	ok(t, err)
	copied := filepath.Join(t.TempDir(), "module")
	ok(t, os.CopyFS(copied, os.DirFS(root)))
	for _, m := range []struct{ name, file, old, broken string }{
		{"Sum.add", "shared/daily/daily.go", "s.Quantity = s.Quantity.Add(t.Quantity)", "s.Quantity = t.Quantity"},
		{"ParseQuantity", "shared/usage/quantity.go", "	d.Exponent, d.Negative = int32(exponent), negative\n	return Quantity{d}, nil", "	d.Exponent, d.Negative = int32(exponent)+1, negative\n	return Quantity{d}, nil"},
		{"rounding", "shared/usage/quantity.go", `fraction := strings.TrimRight(digits[len(digits)+e:], "0")`, `fraction := strings.TrimRight(fmt.Sprintf("%.10s", digits[len(digits)+e:]), "0")`},
		{"the meter's class", "shared/meter/meter.go", "Class: Class(row[4]),", "Class: Informational,"},
		{"a Conflict stands with what was sent", "handlers/correct.go", "answer.Stands, answer.Quantity = true, stored", "answer.Stands, answer.Quantity = stored.Sign() < 9, r.Quantity"},
		{"the first header decides", "shared/settlement/settler.go", "return cmp.Or(distance(a.at, s.end).compare(distance(b.at, s.end)), ", "return cmp.Or("},
		{"records without tags", "shared/daily/record.go", "ownText(key.Tags)", `ownText("")`},
		{"the payer", "shared/daily/record.go", "return cmp.Or(t.Mapped[tenant], t.BillingSubscriptionID)", `return cmp.Or("", t.BillingSubscriptionID)`},
	} {
		t.Run(m.name, func(t *testing.T) {
			path := filepath.Join(copied, m.file)
			was, err := os.ReadFile(path)
			ok(t, err)
			if strings.Count(string(was), m.old) != 1 {
				t.Fatalf("%s has not exactly one %q", m.file, m.old)
			}
			ok(t, os.WriteFile(path, []byte(strings.Replace(string(was), m.old, m.broken, 1)), 0o600))
			defer func() { ok(t, os.WriteFile(path, was, 0o600)) }()
			cmd := exec.CommandContext(t.Context(), "go", "test", "./handlers", "-run", "^TestVerifyScenario$", "-count=1")
			cmd.Dir, cmd.Env = copied, append(os.Environ(), fmt.Sprintf("%s=%s", mutantVar, m.name))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
