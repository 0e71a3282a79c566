package scenarios_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
)

var decoded map[time.Time][]entry

// hours returns the rows of the scenario by reported hour. They are decoded
// once, as there are many: tests that use them must not run in parallel.
func hours(t *testing.T, s *azurestack.Stack) map[time.Time][]entry {
	t.Helper()
	if decoded != nil {
		return decoded
	}
	got := map[time.Time][]entry{}
	for h := s.First(); h.Before(s.End()); h = h.Add(time.Hour) {
		for raw := range bytes.Lines(rowsOf(s, h)) {
			got[h] = append(got[h], readEntry(t, raw))
		}
	}
	decoded = got
	return got
}

func digest(t *testing.T, seed uint64) [32]byte {
	t.Helper()
	src, err := scenarios.Generate("three-days", seed)
	if err != nil {
		t.Fatal(err)
	}
	s := newStack(t, src)
	h := sha256.New()
	for hour := s.First(); hour.Before(s.End()); hour = hour.Add(time.Hour) {
		h.Write(rowsOf(s, hour))
	}
	return [32]byte(h.Sum(nil))
}

func TestSameSeedSameBytes(t *testing.T) {
	first := digest(t, 1)
	if digest(t, 1) != first {
		t.Error("the same seed gave other bytes")
	}
	if digest(t, 2) == first {
		t.Error("another seed gave the same bytes")
	}
}

func TestUnknownScenarioNamesTheKnown(t *testing.T) {
	_, err := scenarios.Generate("a-year", 1)
	if err == nil || !strings.Contains(err.Error(), "three-days") {
		t.Fatalf("got %v", err)
	}
	mustEqual(t, []string{"documented-test", "flawed-days", "three-days", "three-stacks"}, scenarios.Names())
}

func TestThreeDays(t *testing.T) {
	s := threeDays(t)
	mustEqual(t, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), s.First())
	mustEqual(t, time.Date(2024, 3, 4, 6, 0, 0, 0, time.UTC), s.End())
	reported := hours(t, s)
	lastDay := time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC)

	var rows, midnight, late, most int
	lags := map[time.Duration]int{}
	usageHours := map[time.Time]bool{}
	ids := map[string]bool{}
	tags, infos := map[string]bool{}, map[string]bool{}
	spellings, groups := map[string]map[string]bool{}, map[string]map[string]bool{}
	for hour, entries := range reported {
		rows += len(entries)
		most = max(most, len(entries))
		keys := map[string]bool{}
		for _, e := range entries {
			p := e.Properties
			lag := hour.Sub(p.UsageStartTime)
			lags[lag]++
			usageHours[p.UsageStartTime.UTC()] = true
			ids[e.ID] = true
			tags[e.Instance.Tags] = true
			infos[e.Instance.AdditionalInfo] = true
			if p.UsageEndTime.Sub(p.UsageStartTime) != time.Hour || !p.UsageStartTime.Before(lastDay) {
				t.Fatalf("row with the window %v, %v", p.UsageStartTime, p.UsageEndTime)
			}
			if !hour.Before(lastDay) {
				late++
			}
			if p.UsageStartTime.UTC().Hour() == 23 && hour.Day() != p.UsageStartTime.Day() {
				midnight++
			}
			key := p.SubscriptionID + e.meter() + e.resource() + p.UsageStartTime.String()
			if keys[key] {
				t.Fatalf("two rows of one key in reported hour %v: %s", hour, key)
			}
			keys[key] = true
			note(spellings, e.meter(), p.MeterID)
			note(groups, e.resource(), e.Instance.ResourceURI)
		}
	}
	if rows < 10_000 || rows > 20_000 {
		t.Errorf("%d rows", rows)
	}
	if most <= 1000 {
		t.Errorf("no hour has a second page: at most %d rows", most)
	}
	mustEqual(t, 72, len(usageHours))
	if len(ids)*2 > rows {
		t.Errorf("%d ids in %d rows: nearly unique", len(ids), rows)
	}
	percent := func(lag time.Duration) int { return 100 * lags[lag] / rows }
	if len(lags) != 3 || percent(time.Hour) < 92 || percent(2*time.Hour) < 2 || percent(2*time.Hour) > 7 || percent(0) < 1 || percent(0) > 3 {
		t.Errorf("rows by hours of lag: %v", lags)
	}
	if midnight == 0 || late == 0 {
		t.Errorf("%d rows of the last hour of a day in the next, %d in the fourth day", midnight, late)
	}
	for _, form := range []string{"", "null", `{"RG":"usagetest","testTag":"1"}`} {
		if !tags[form] {
			t.Errorf("no row has the tags %q", form)
		}
	}
	if !infos["InUse"] || !infos[""] {
		t.Error("additionalInfo lacks a bare state or an empty one")
	}
	for meter, forms := range spellings {
		if len(forms) < 2 {
			t.Errorf("meter %s is always spelled alike", meter)
		}
	}
	varied := 0
	for _, forms := range groups {
		if len(forms) > 1 {
			varied++
		}
	}
	if varied < 50 {
		t.Errorf("only %d resources are spelled in more than one way", varied)
	}
	t.Logf("%d rows, at most %d in an hour, lags %v, %d ids, %d meters, %d resources", rows, most, lags, len(ids), len(spellings), len(groups))
}

func TestEveryMachineHasHoursAndOneOfBaseAndWindows(t *testing.T) {
	const hoursMeter, base, windows = "6dab500fa4fd49c4956d229bb9c8c793", "fab6eb84500b4a09a8ca7358f8bbaea5", "9cd92d4cbafd4492b278bedc2de8232a"
	type key struct {
		vm   string
		hour time.Time
	}
	meters := map[key][]string{}
	licences, sizes := map[string]bool{}, map[string]bool{}
	for _, entries := range hours(t, threeDays(t)) {
		for _, e := range entries {
			if !strings.Contains(e.resource(), "/virtualmachines/") {
				continue
			}
			k := key{e.resource(), e.Properties.UsageStartTime.UTC()}
			meters[k] = append(meters[k], e.meter())
			info := mustDecode[struct {
				ServiceType, Offer string
				ImageType          *string
			}](t, []byte(e.Instance.AdditionalInfo))
			if info.ImageType != nil {
				licences[*info.ImageType+" "+e.meter()] = true
			}
			sizes[info.ServiceType] = true
		}
	}
	for k, got := range meters {
		slices.Sort(got)
		if len(got) != 2 || got[0] != hoursMeter || got[1] != base && got[1] != windows {
			t.Fatalf("%v emits %v", k, got)
		}
	}
	mustEqual(t, map[string]bool{"Windows_Server " + hoursMeter: true, "Windows_Server " + base: true}, licences)
	if !sizes["Basic_A2"] || !sizes["Standard_D2_v2"] {
		t.Errorf("sizes %v lack a Basic or a Standard one", sizes)
	}
}

func TestMetersOfEveryKindAreThere(t *testing.T) {
	s := threeDays(t)
	got := map[string]json.Number{}
	infrastructure := 0
	for _, entries := range hours(t, s) {
		for _, e := range entries {
			got[e.meter()] = e.Properties.Quantity
			if slices.Contains(s.InfrastructureSubscriptions(), e.Properties.SubscriptionID) {
				infrastructure++
			}
		}
	}
	for name, meter := range map[string]string{
		"page blobs": "b5c153766c944fddb6551a69d138aca3", "block blobs": "09f8879e87e94305a5724b7be209f857",
		"blob transactions": "43daf82b4618444ab99440c23f7cd438", "blob in": "9764f92ce44a498e8dc1aad66587a810",
		"blob out": "3023fef4eca54d7b87b3cfbc061931e8", "tables": "b4438d5d453b4ee1b42adc72e377f1e4",
		"queues": "b03c6ae7b0804bfa84a322c800f315c6", "static address": "f271a8a388c44d93956a063e1d2fa80b",
		"dynamic address": "9e2739ba86744796b465f64674b822ba", "S10": "d5f7731bf639404a89d0e46186e22c8d", "P10": "e554b6bc96cd4938a5b50da990278519",
	} {
		if got[meter] == "" {
			t.Errorf("%s: no rows", name)
		}
	}
	mustEqual(t, json.Number("0.0013440860215053763"), got["d5f7731bf639404a89d0e46186e22c8d"])
	if infrastructure == 0 {
		t.Error("no usage of infrastructure")
	}
	text := regexp.MustCompile(`^(\d+\.\d+|\d\.?\d*E-\d\d)$`)
	for meter, quantity := range got {
		if !text.MatchString(quantity.String()) {
			t.Errorf("meter %s: quantity %s", meter, quantity)
		}
	}
}

func note(sets map[string]map[string]bool, key, value string) {
	if sets[key] == nil {
		sets[key] = map[string]bool{}
	}
	sets[key][value] = true
}
