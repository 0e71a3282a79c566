package daily_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const (
	blockBlobs   = "09F8879E-87E9-4305-A572-4B7BE209F857"
	vmSizeHours  = "6DAB500F-A4FD-49C4-956D-229BB9C8C793"
	staticIP     = "F271A8A388C44D93956A063E1D2FA80B" // written without dashes by the stack
	oldPublicIP  = "F114CB19-EA64-40B5-BCD7-AEE474B62853"
	unknownMeter = "11111111-2222-3333-4444-555555555555"
)

// stated is the record of one sum of the rows.
func stated(t testing.TB, r daily.Rules, rows ...usage.Record) daily.Record {
	t.Helper()
	sums := collect(t, daily.MergeKeys(sequence(sumsOf(t, rows...))))
	if len(sums) != 1 {
		t.Fatalf("%d sums", len(sums))
	}
	return r.Record(sums[0])
}

func TestARecordStatesItsSum(t *testing.T) {
	s := shown()
	s.SubscriptionID = strings.ToUpper(subscription)
	s.Tags, s.AdditionalInfo = `{"Dept":"R&D"}`, "InUse"
	got := stated(t, rules(t),
		record(t, s, "2019-12-10T18:00:00Z", "16.461425899527967"),
		record(t, s, "2019-12-10T05:00:00Z", "0.5"),
		record(t, s, "2019-12-10T18:00:00Z", "8.4e-08"))
	want := daily.Record{
		RecordID: got.RecordID, // TestRecordIDs
		CloudID:  cloudID, Kind: daily.Usage, Revision: 1,
		BillingModel: registration.PayAsYouUse, BillingSubscriptionID: billing,
		SubscriptionID: subscription, MeterID: strings.ToLower(pageBlobs),
		MeterName: "PageBlobCapacity", Unit: "GB*hours", MeterClass: meter.Full,
		Quantity:  quantity(t, "16.961425983527967"),
		UsageDate: day10(t), UsageStart: time.Date(2019, 12, 10, 0, 0, 0, 0, time.UTC), UsageEnd: time.Date(2019, 12, 11, 0, 0, 0, 0, time.UTC),
		Hours:  usage.HourSet(0).With(5).With(18),
		Region: "Azure Stack", Location: "azurestack",
		ResourceURI: resourceURI, Tags: `{"Dept":"R&D"}`,
		AdditionalInfo: daily.AdditionalInfo{
			Stamp: "InUse", MeterID: pageBlobs, SubscriptionID: strings.ToUpper(subscription), Location: "northwest",
			EventDateTime: "12/10/2019 05:00:00",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheClassOfALine(t *testing.T) {
	infrastructure := daily.Infrastructure([]string{strings.ToUpper(subscription)})
	tests := []struct {
		name, meter   string
		provider      bool
		class         meter.Class
		commerce      string
		meterName     string
		flags         []string
		wantMeterText string
	}{
		{"a user's usage is full", pageBlobs, false, meter.Full, "", "PageBlobCapacity", nil, "b5c15376-6c94-4fdd-b655-1a69d138aca3"},
		{"a user's usage of a meter that commerce publishes", blockBlobs, false, meter.Full, "8a913f38-33b4-4772-9488-e89522fc09e5", "BlockBlobCapacity", nil, ""},
		{"the infrastructure's usage is admin, on the admin meter", blockBlobs, true, meter.Admin, "8767aeb3-6909-4db2-9927-3f51e9a9085e", "BlockBlobCapacity", nil, ""},
		{"the infrastructure's usage is admin even where no admin meter is public", pageBlobs, true, meter.Admin, "", "PageBlobCapacity", nil, ""},
		{"a meter that comes beside another is informational", vmSizeHours, false, meter.Informational, "", "VM size hours", nil, ""},
		{"the infrastructure's informational usage is admin", vmSizeHours, true, meter.Admin, "", "VM size hours", nil, ""},
		{"a meter that nobody knows is unknown, and flagged", unknownMeter, false, meter.Unknown, "", "", []string{daily.FlagUnknownMeter}, unknownMeter},
		{"the infrastructure's unknown meter is admin, and flagged", unknownMeter, true, meter.Admin, "", "", []string{daily.FlagUnknownMeter}, ""},
		{"a meter written without dashes is found", staticIP, false, meter.Full, "", "Static IP Address Usage", nil, "f271a8a3-88c4-4d93-956a-063e1d2fa80b"},
		{"a deprecated meter is flagged", oldPublicIP, false, meter.Full, "", "Public IP Address Usage", []string{daily.FlagDeprecatedMeter}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rules(t)
			if tt.provider {
				r.Infrastructure = infrastructure
			}
			s := shown()
			s.MeterID = tt.meter
			got := stated(t, r, record(t, s, "2019-12-10T18:00:00Z", "1"))
			if got.MeterClass != tt.class || got.CommerceMeterID != tt.commerce || got.MeterName != tt.meterName {
				t.Errorf("class %s, commerce meter %q, name %q", got.MeterClass, got.CommerceMeterID, got.MeterName)
			}
			if diff := cmp.Diff(tt.flags, got.Flags); diff != "" {
				t.Error(diff)
			}
			if got.AdditionalInfo.MeterID != tt.meter || tt.wantMeterText != "" && got.MeterID != tt.wantMeterText {
				t.Errorf("meter %s, the stamp's own %s", got.MeterID, got.AdditionalInfo.MeterID)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	s := shown()
	s.MeterID = oldPublicIP
	s.ResourceURI = strings.Replace(resourceURI, subscription, cloudID, 1)
	r := rules(t)
	r.Incomplete = true
	t.Run("come sorted, all that hold", func(t *testing.T) {
		want := []string{daily.FlagDeprecatedMeter, daily.FlagForeignResource, daily.FlagIncompleteDay}
		sums := sumsOf(t, record(t, s, "2019-12-10T18:00:00Z", "1"))
		for range 100 { // an order by chance is right now and then
			if diff := cmp.Diff(want, r.Record(sums[0]).Flags); diff != "" {
				t.Fatal(diff)
			}
		}
	})
	t.Run("a machine that brings its licence is flagged on the Windows meter, unless it is the stack's own", func(t *testing.T) {
		s := shown()
		s.MeterID, s.AdditionalInfo = meter.WindowsVM, `{"ServiceType":"Standard_F2s","ImageType":"Windows_Server"}`
		row := record(t, s, "2019-12-10T18:00:00Z", "2")
		if diff := cmp.Diff([]string{daily.FlagLicenceMismatch}, stated(t, rules(t), row).Flags); diff != "" {
			t.Error(diff)
		}
		own := rules(t)
		own.Infrastructure = daily.Infrastructure([]string{subscription})
		if got := stated(t, own, row).Flags; got != nil {
			t.Errorf("the stack's own machine: %v", got)
		}
	})
	t.Run("a resource of the same subscription in another spelling is not foreign", func(t *testing.T) {
		s := shown()
		s.SubscriptionID = strings.ReplaceAll(strings.ToUpper(subscription), "-", "")
		if got := stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1")); got.Flags != nil {
			t.Errorf("got %v", got.Flags)
		}
	})
}

func TestLongTextsOfTheStampBecomeTheirHash(t *testing.T) {
	const limit = 16 << 10
	for name, length := range map[string]int{"at the limit": limit, "one byte over it": limit + 1, "far over it": 200_000} {
		t.Run(name, func(t *testing.T) {
			text := strings.Repeat("t", length)
			sum := sha256.Sum256([]byte(text))
			want := text
			if length > limit {
				want = "sha256:" + hex.EncodeToString(sum[:])
			}
			s := shown()
			s.Tags, s.AdditionalInfo = text, text
			got := stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1"))
			if got.Tags != want || got.AdditionalInfo.Stamp != want {
				t.Errorf("tags of %d bytes, additional info of %d", len(got.Tags), len(got.AdditionalInfo.Stamp))
			}
		})
	}
	t.Run("and lines whose long texts differ stay two lines", func(t *testing.T) {
		a, b := shown(), shown()
		a.Tags, b.Tags = strings.Repeat("a", limit+1), strings.Repeat("b", limit+1)
		sums := sumsOf(t, record(t, a, "2019-12-10T18:00:00Z", "1"), record(t, b, "2019-12-10T18:00:00Z", "1"))
		if len(sums) != 2 || rules(t).Record(sums[0]).RecordID == rules(t).Record(sums[1]).RecordID {
			t.Errorf("%d sums", len(sums))
		}
	})
	t.Run("null is no text", func(t *testing.T) {
		s := shown()
		s.Tags, s.AdditionalInfo = "null", "null"
		if got := stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1")); got.Tags != "" || got.AdditionalInfo.Stamp != "" {
			t.Errorf("tags %q, additional info %q", got.Tags, got.AdditionalInfo.Stamp)
		}
	})
}

// uuid5 is RFC 9562, section 5.5, by hand.
func uuid5(space, name string) string {
	ns, _ := hex.DecodeString(strings.ReplaceAll(space, "-", ""))
	sum := sha1.Sum(append(ns, name...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func TestRecordIDs(t *testing.T) {
	const space = "6f0c1a52-3d0e-5f0b-9f43-7d1f0f0e6a11"
	s := shown()
	row := record(t, s, "2019-12-10T18:00:00Z", "16.461425899527967")
	first := stated(t, rules(t), row).RecordID

	t.Run("are pinned: another value would give every record another identity", func(t *testing.T) {
		if want := "92813f4d-eee2-5eec-b866-fdd00f3e153b"; first != want {
			t.Errorf("got %s, want %s", first, want)
		}
	})
	t.Run("are UUIDv5 of the documented list", func(t *testing.T) {
		name := `["b31316d4de0243a4903deb74f8258b01","20191210",1,"09065051cfe94fcfb90c87f2af292fc9","` + strings.ToLower(resourceURI) +
			`","b5c153766c944fddb6551a69d138aca3","northwest","","","7a1f6e0c2a534a8e9a430c2d4c9f1b11","","full"]`
		if want := uuid5(space, name); first != want {
			t.Errorf("got %s, want %s", first, want)
		}
	})
	t.Run("are of plain JSON, in which only what JSON demands is escaped", func(t *testing.T) {
		s := shown()
		s.MeterID, s.Tags, s.AdditionalInfo = blockBlobs, `{"Dept":"R&D <é>"}`, "null"
		name := `["b31316d4de0243a4903deb74f8258b01","20191210",1,"09065051cfe94fcfb90c87f2af292fc9","` + strings.ToLower(resourceURI) +
			`","09f8879e87e94305a5724b7be209f857","northwest","{\"Dept\":\"R&D <é>\"}","","7a1f6e0c2a534a8e9a430c2d4c9f1b11","8a913f3833b447729488e89522fc09e5","full"]`
		if got, want := stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1")).RecordID, uuid5(space, name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("depend neither on quantity, hours, spelling nor flags", func(t *testing.T) {
		s := shown()
		s.SubscriptionID, s.MeterID = strings.ToUpper(subscription), strings.ReplaceAll(strings.ToLower(pageBlobs), "-", "")
		s.ResourceURI, s.Tags, s.AdditionalInfo = strings.ToUpper(resourceURI), "null", "null"
		r := rules(t)
		r.Incomplete = true
		if got := stated(t, r, record(t, s, "2019-12-10T03:00:00Z", "7")).RecordID; got != first {
			t.Errorf("got %s, want %s", got, first)
		}
	})
	t.Run("differ by each part of the identity", func(t *testing.T) {
		seen := map[string]string{first: "nothing"}
		check := func(part, id string) {
			if other, twice := seen[id]; twice {
				t.Errorf("a change of %s gives the identity that a change of %s gives", part, other)
			}
			seen[id] = part
		}
		for part, change := range map[string]func(*daily.Rules){
			"cloudId":              func(r *daily.Rules) { r.CloudID = billing },
			"usage day":            func(r *daily.Rules) { r.Day++ },
			"revision":             func(r *daily.Rules) { r.Revision = 2 },
			"billing subscription": func(r *daily.Rules) { r.BillingSubscriptionID = cloudID },
			"class":                func(r *daily.Rules) { r.Infrastructure = daily.Infrastructure([]string{subscription}) },
		} {
			r := rules(t)
			change(&r)
			check(part, stated(t, r, row).RecordID)
		}
		for part, change := range map[string]func(*usage.Shown){
			"subscription":   func(s *usage.Shown) { s.SubscriptionID = billing },
			"resource":       func(s *usage.Shown) { s.ResourceURI += "x" },
			"meter":          func(s *usage.Shown) { s.MeterID = staticIP },
			"location":       func(s *usage.Shown) { s.Location = "x" },
			"tags":           func(s *usage.Shown) { s.Tags = "x" },
			"additionalInfo": func(s *usage.Shown) { s.AdditionalInfo = "x" },
		} {
			s := shown()
			change(&s)
			check(part, stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1")).RecordID)
		}
	})
}

func TestRowsOfATenantOrAResourceAreARange(t *testing.T) {
	upper := shown()
	upper.ResourceURI = strings.ToUpper(resourceURI)
	sum := sha256.Sum256([]byte(strings.ToLower(resourceURI)))
	for _, s := range []usage.Shown{shown(), upper} {
		got := stated(t, rules(t), record(t, s, "2019-12-10T18:00:00Z", "1"))
		want := subscription + "_" + hex.EncodeToString(sum[:])[:8] + "_" + got.RecordID
		if got.Row() != want {
			t.Errorf("got %s, want %s", got.Row(), want)
		}
	}
}
