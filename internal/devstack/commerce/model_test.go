package commerce_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/internal/devstack/commerce"
)

// model is what commerce must hold: the bytes of every record that was taken.
type model struct {
	taken map[string]string // by recordId
}

// judge is the answer that the contract demands for a record.
func (m *model) judge(id, text string, valid bool) string {
	stored, known := m.taken[id]
	switch {
	case !valid:
		return "Rejected"
	case known && stored == text:
		return "Duplicate"
	case known:
		return "Conflict"
	}
	m.taken[id] = text
	return "Accepted"
}

// sums adds quantities by meter and day with rational numbers, so that the
// oracle shares no arithmetic with what it checks.
func sums(tb interface{ Fatalf(string, ...any) }, lines []string) map[string]string {
	totals := make(map[string]*big.Rat)
	for _, line := range lines {
		var r struct{ MeterID, UsageDate, Quantity string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			tb.Fatalf("read %s: %v", line, err)
		}
		q, ok := new(big.Rat).SetString(r.Quantity)
		if !ok {
			tb.Fatalf("quantity %s", r.Quantity)
		}
		key := r.MeterID + " " + r.UsageDate
		if totals[key] == nil {
			totals[key] = new(big.Rat)
		}
		totals[key].Add(totals[key], q)
	}
	out := make(map[string]string)
	for key, total := range totals {
		out[key] = total.RatString()
	}
	return out
}

// fewerChecks keeps the test short under the race detector; -rapid.checks on the command
// line still decides.
func fewerChecks(t *testing.T) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWasAcceptedStays(t *testing.T) {
	fewerChecks(t)
	meters := []string{baseVM, winVM, block, strange}
	quantity := rapid.StringMatching(`(0|[1-9][0-9]{0,19})(\.[0-9]{0,39}[1-9])?`)
	rapid.Check(t, func(rt *rapid.T) {
		s := start(t, commerce.Options{})
		defer s.http.Close()
		m := &model{taken: make(map[string]string)}

		// draw makes a record under one of a few ids, so that repeats and
		// conflicts come up by themselves, and sometimes spoils it.
		draw := func(rt *rapid.T) (id, text string, valid bool) {
			n := rapid.IntRange(0, 15).Draw(rt, "record")
			id = nth(n)
			r := usage(id, meters[n%len(meters)], quantity.Draw(rt, "quantity")).on([]string{"2019-12-10", "2019-12-31", "2020-01-01"}[n%3])
			if stored, ok := m.taken[id]; ok && rapid.Bool().Draw(rt, "repeat") {
				return id, stored, true
			}
			valid = rapid.IntRange(0, 5).Draw(rt, "spoil") > 0
			if !valid {
				r = r.with("quantity", "1e2")
			}
			return id, r.String(), valid
		}
		drawBatch := func(rt *rapid.T) (records []fmt.Stringer, ids []string, valid []bool) {
			for range rapid.IntRange(1, 6).Draw(rt, "records") {
				id, text, ok := draw(rt)
				records, ids, valid = append(records, raw(text)), append(ids, id), append(valid, ok)
			}
			return records, ids, valid
		}
		rt.Repeat(map[string]func(*rapid.T){
			"send": func(rt *rapid.T) {
				records, ids, valid := drawBatch(rt)
				var want []string
				for i, r := range records {
					want = append(want, m.judge(ids[i], r.String(), valid[i]))
				}
				if got := statuses(s.send(records...)); got != strings.Join(want, " ") {
					rt.Fatalf("answered %s, want %v", got, want)
				}
			},
			"send and lose the reply": func(rt *rapid.T) {
				records, ids, valid := drawBatch(rt)
				cut := rapid.SampledFrom([]string{"before", "after", "middle"}).Draw(rt, "cut")
				s.fault(`{"next":1,"cut":"` + cut + `"}`)
				if _, _, err := s.do(http.MethodPost, "/v1/records", batch(records...)); err == nil {
					rt.Fatalf("cut %s gave a whole answer", cut)
				}
				for i, r := range records {
					if cut != "before" {
						m.judge(ids[i], r.String(), valid[i])
					}
				}
			},
			"": func(rt *rapid.T) {
				got := strings.Split(strings.TrimSuffix(s.get("/v1/records.ndjson"), "\n"), "\n")
				if len(m.taken) == 0 {
					got = nil
				}
				slices.Sort(got)
				want := slices.Sorted(maps.Values(m.taken))
				if !slices.Equal(got, want) {
					rt.Fatalf("kept (-want +got):\n%s", cmp.Diff(want, got))
				}
			},
		})
		checkBilled(rt, s, slices.Collect(maps.Values(m.taken)))
	})
}

// checkBilled holds the quantities in the usage details and on the bill
// against the exact sums of the records that were taken.
func checkBilled(rt *rapid.T, s *service, records []string) {
	want := make(map[string]*big.Rat)
	for key, total := range sums(rt, records) {
		meter, day, _ := strings.Cut(key, " ")
		q, _ := new(big.Rat).SetString(total)
		month := meter + " " + day[:len("2019-12")]
		if want[month] == nil {
			want[month] = new(big.Rat)
		}
		want[month].Add(want[month], q)
	}
	for _, st := range getBill(s, "").Statements {
		for _, l := range st.Lines {
			key := l.MeterID + " " + st.Month
			got, ok := new(big.Rat).SetString(l.Quantity)
			if !ok || want[key] == nil || got.Cmp(want[key]) != 0 || !commerce.IsCanonical(l.Quantity) {
				rt.Fatalf("billed %s of %s, want %v", l.Quantity, key, want[key])
			}
			delete(want, key)
		}
	}
	if len(want) != 0 {
		rt.Fatalf("not billed: %v", want)
	}
}
