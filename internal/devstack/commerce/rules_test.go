package commerce_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"stackusage/internal/devstack/commerce"
)

func TestRules(t *testing.T) {
	good := usage(nth(1), baseVM, "1.5")
	correction := good.with("kind", "correction").with("revision", 2).with("corrects", nth(2))
	carried := good.with("kind", "carryForward").with("carriedFrom", "2019-12-01").with("reason", "commerce was away").
		info("azureStack.EventDateTime", "12/01/2019 17:00:00")
	long := strings.Repeat("x", 16<<10+1)
	tests := []struct {
		name   string
		record fmt.Stringer
		want   string // code, "" for accepted
	}{
		{"usage", good, ""},
		{"usage of nothing", good.with("quantity", "0"), ""},
		{"usage stated by a later revision", good.with("revision", 3), ""},
		{"correction", correction, ""},
		{"correction below zero", correction.with("quantity", "-0.25"), ""},
		{"correction that leaves no hour", correction.with("hours", []int{}), ""},
		{"carry forward", carried, ""},
		{"carry forward below zero", carried.with("quantity", "-1"), ""},
		{"correction of a carry", carried.with("kind", "correction").with("revision", 2).with("corrects", nth(2)), ""},
		{"commerce meter", good.with("commerceMeterId", m30), ""},
		{"flags", good.with("flags", []string{"unknownMeter", "incompleteDay"}), ""},
		{"all day", good.with("hours", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}).
			info("azureStack.EventDateTime", "12/10/2019 00:00:00"), ""},
		{"leap day", good.on("2020-02-29"), ""},
		{"stamp text and tags of 16 KiB", good.with("tags", long[1:]).info("stamp", long[1:]), ""},
		{"110 digits", good.with("quantity", strings.Repeat("9", 70)+"."+strings.Repeat("9", 40)), ""},
		{"offset +00:00", good.with("usageStart", "2019-12-10T00:00:00+00:00"), ""},

		{"not an object", raw(`[1]`), "WrongType"},
		{"null", raw(`null`), "WrongType"},
		{"two lines", raw(strings.Replace(good.String(), ",", ",\n", 1)), "NotOneLine"},
		{"field twice", raw(strings.Replace(good.String(), `"quantity":"1.5"`, `"quantity":"1.5","quantity":"2"`, 1)), "DuplicateField"},
		{"field twice by an escape", raw(strings.Replace(good.String(), `"tags":""`, `"tags":"","t\u0061gs":"x"`, 1)), "DuplicateField"},
		{"additionalInfo field twice", raw(strings.Replace(good.String(), `"azureStack.Location":"northwest"`,
			`"azureStack.Location":"northwest","azureStack.Location":"east"`, 1)), "DuplicateField"},
		{"field that is not known", good.with("Quantity", "1.5"), "UnknownField"},
		{"additionalInfo field that is not known", good.info("azureStack.Else", ""), "UnknownField"},
		{"no tags", good.without("tags"), "MissingField"},
		{"no EventDateTime", good.with("additionalInfo", good["additionalInfo"].(fields).without("azureStack.EventDateTime")), "MissingField"},
		{"quantity as a number", good.with("quantity", 1.5), "WrongType"},
		{"quantity null", good.with("quantity", nil), "WrongType"},
		{"additionalInfo as text", good.with("additionalInfo", "{}"), "WrongType"},
		{"revision 1.0", raw(strings.Replace(good.String(), `"revision":1`, `"revision":1.0`, 1)), "WrongType"},
		{"revision 1e1000000", raw(strings.Replace(good.String(), `"revision":1`, `"revision":1e1000000`, 1)), "WrongType"},
		{"revision as text", good.with("revision", "1"), "WrongType"},
		{"hours with a fraction", good.with("hours", []float64{17.5}), "WrongType"},
		{"hours as an object", good.with("hours", fields{}), "WrongType"},
		{"25 hours", good.with("hours", make([]int, 25)), "WrongType"},
		{"flags of numbers", good.with("flags", []int{1}), "WrongType"},

		{"recordId in upper case", good.with("recordId", strings.ToUpper(nth(1))), "InvalidRecordId"},
		{"recordId without dashes", good.with("recordId", strings.ReplaceAll(nth(1), "-", "")), "InvalidRecordId"},
		{"nil cloudId", good.with("cloudId", "00000000-0000-0000-0000-000000000000"), "InvalidCloudId"},
		{"kind", good.with("kind", "Usage"), "InvalidKind"},
		{"carry forward from nowhere", carried.without("carriedFrom"), "InvalidCarriedFrom"},
		{"carry forward from its own day", carried.with("carriedFrom", "2019-12-10"), "InvalidCarriedFrom"},
		{"carry forward from no date", carried.with("carriedFrom", "20191201"), "InvalidCarriedFrom"},
		{"carry forward that corrects", carried.with("corrects", nth(2)), "InvalidCorrects"},
		{"usage that is carried", carried.with("kind", "usage"), "InvalidCarriedFrom"},
		{"usage with a reason", good.with("reason", "because"), "InvalidReason"},
		{"carry forward without a reason", carried.without("reason"), "InvalidReason"},
		{"correction of a carry without a reason", carried.with("kind", "correction").with("revision", 2).with("corrects", nth(2)).without("reason"), "InvalidReason"},
		{"empty reason", carried.with("reason", ""), "InvalidReason"},
		{"long reason", carried.with("reason", strings.Repeat("x", 1001)), "InvalidReason"},
		{"reason of two lines", carried.with("reason", "a\nb"), "InvalidReason"},
		{"event on the day that is charged", carried.info("azureStack.EventDateTime", "12/10/2019 17:00:00"), "InvalidEventDateTime"},
		{"revision 0", good.with("revision", 0), "InvalidRevision"},
		{"correction in revision 1", correction.with("revision", 1), "InvalidRevision"},
		{"correction of nothing", correction.without("corrects"), "InvalidCorrects"},
		{"correction of itself", correction.with("corrects", nth(1)), "InvalidCorrects"},
		{"usage that corrects", good.with("corrects", nth(2)), "InvalidCorrects"},
		{"usage that corrects nothing, said", good.with("corrects", ""), "InvalidCorrects"},
		{"billing model", good.with("billingModel", "Free"), "InvalidBillingModel"},
		{"billing subscription", good.with("billingSubscriptionId", "me"), "InvalidBillingSubscriptionId"},
		{"subscription", good.with("subscriptionId", "{09065051-cfe9-4fcf-b90c-87f2af292fc9}"), "InvalidSubscriptionId"},
		{"meter", good.with("meterId", ""), "InvalidMeterId"},
		{"empty commerce meter", good.with("commerceMeterId", ""), "InvalidCommerceMeterId"},
		{"meter class", good.with("meterClass", "free"), "InvalidMeterClass"},
		{"no flags, said", good.with("flags", []string{}), "InvalidFlags"},
		{"flag that is not known", good.with("flags", []string{"late"}), "InvalidFlags"},
		{"flag twice", good.with("flags", []string{"unknownMeter", "unknownMeter"}), "InvalidFlags"},
		{"exponent", good.with("quantity", "1e3"), "InvalidQuantity"},
		{"huge exponent", good.with("quantity", "1e1000000"), "InvalidQuantity"},
		{"not a number", good.with("quantity", "NaN"), "InvalidQuantity"},
		{"empty quantity", good.with("quantity", ""), "InvalidQuantity"},
		{"leading zero", good.with("quantity", "01"), "InvalidQuantity"},
		{"no leading digit", good.with("quantity", ".5"), "InvalidQuantity"},
		{"trailing zero", good.with("quantity", "1.50"), "InvalidQuantity"},
		{"bare point", good.with("quantity", "1."), "InvalidQuantity"},
		{"plus", good.with("quantity", "+1"), "InvalidQuantity"},
		{"minus zero", correction.with("quantity", "-0"), "InvalidQuantity"},
		{"line end behind it", good.with("quantity", "1\n"), "InvalidQuantity"},
		{"129 digits", good.with("quantity", strings.Repeat("9", 129)), "QuantityTooLong"},
		{"usage below zero", good.with("quantity", "-1"), "NegativeQuantity"},
		{"usage date", good.with("usageDate", "2019-13-10"), "InvalidUsageDate"},
		{"start of another day", good.with("usageStart", "2019-12-09T00:00:00Z"), "InvalidUsageStart"},
		{"start in another zone", good.with("usageStart", "2019-12-10T01:00:00+01:00"), "InvalidUsageStart"},
		{"end inside the day", good.with("usageEnd", "2019-12-10T23:59:59Z"), "InvalidUsageEnd"},
		{"hour 24", good.with("hours", []int{17, 24}), "InvalidHours"},
		{"hours not ascending", good.with("hours", []int{18, 17}), "InvalidHours"},
		{"hour twice", good.with("hours", []int{17, 17}), "InvalidHours"},
		{"usage in no hour", good.with("hours", []int{}), "InvalidHours"},
		{"region", good.with("region", "azure stack"), "InvalidRegion"},
		{"location", good.with("location", "northwest"), "InvalidLocation"},
		{"resource URI", good.with("resourceUri", "vm1"), "InvalidResourceUri"},
		{"resource URI with a NUL", good.with("resourceUri", resource+"\x00"), "InvalidResourceUri"},
		{"long tags", good.with("tags", long), "TextTooLong"},
		{"long stamp text", good.info("stamp", long), "TextTooLong"},
		{"another meter", good.info("azureStack.MeterId", winVM), "MeterMismatch"},
		{"another subscription", good.info("azureStack.SubscriptionId", cloud), "SubscriptionMismatch"},
		{"no stamp location", good.info("azureStack.Location", ""), "InvalidStampLocation"},
		{"event in another hour", good.info("azureStack.EventDateTime", "12/10/2019 18:00:00"), "InvalidEventDateTime"},
		{"event in another form", good.info("azureStack.EventDateTime", "2019-12-10T17:00:00Z"), "InvalidEventDateTime"},
		{"event in a short form", good.info("azureStack.EventDateTime", "12/10/2019 17:00:00.0"), "InvalidEventDateTime"},
	}
	tried := make(map[string]bool)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := commerce.Refusal([]byte(tt.record.String())); got != tt.want {
				t.Errorf("refused with %q, want %q", got, tt.want)
			}
		})
		tried[tt.want] = true
	}
	for _, code := range commerce.Codes() {
		if !tried[code] {
			t.Errorf("no record is refused with %s", code)
		}
	}
}

func TestDocumentedExampleIsAccepted(t *testing.T) {
	page, err := os.ReadFile("../../../docs/formats/daily-record.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	example, _, ok := strings.Cut(rest, "\n```")
	if !ok {
		t.Fatal("the page has no JSON example")
	}
	s := start(t, commerce.Options{})
	got := s.send(raw(example))
	if statuses(got) != "Accepted" {
		t.Fatalf("got %+v", got)
	}
	if back := s.get("/v1/records.ndjson"); back != example+"\n" {
		t.Errorf("it was kept as\n%s", back)
	}
}
