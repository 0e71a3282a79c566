package record

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// maxText is how long tags and the stack's own text may be, in bytes;
	// above it the sender sends a hash instead.
	maxText = 16 << 10
	// maxReason is how long the reason of a carry may be, in bytes.
	maxReason = 1000
	// maxQuantity is how long a quantity may be, in bytes. A row has at most
	// 60 digits before and 40 behind the point; the rest is room for the sum.
	maxQuantity = 128

	eventLayout = "01/02/2006 15:04:05" // azureStack.EventDateTime, UTC
)

var (
	knownKinds   = []string{"usage", "correction", "carryForward"}
	knownModels  = []string{"PayAsYouUse", "Capacity", "Development"}
	knownClasses = []string{"full", "admin", "informational", "unknown"}
	knownFlags   = []string{"unknownMeter", "deprecatedMeter", "licenseMismatch", "foreignResource", "incompleteDay"}

	canonicalDecimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$`)
)

// rule is one demand on a record whose fields are all there and of the right
// JSON type. The first rule that does not hold is the Rejected answer.
type rule struct {
	code, message string
	holds         func(*Record) bool
}

// rules stand in the order in which they are asked; a rule may rely on those
// before it.
var rules = []rule{
	{"InvalidRecordId", "recordId is not a lower-case GUID with dashes",
		func(r *Record) bool { return IsGUID(r.RecordID) }},
	{"InvalidCloudId", "cloudId is not a lower-case GUID with dashes",
		func(r *Record) bool { return IsGUID(r.CloudID) }},
	{"InvalidKind", "kind is not usage, correction or carryForward",
		func(r *Record) bool { return slices.Contains(knownKinds, r.Kind) }},
	{"InvalidRevision", "revision is not 1 or more",
		func(r *Record) bool { return r.Revision >= 1 }},
	{"InvalidRevision", "revision 1 is the first of its day, so a correction has 2 or more",
		func(r *Record) bool { return r.Kind != "correction" || r.Revision >= 2 }},
	{"InvalidCorrects", "a correction must name the recordId before it in corrects",
		func(r *Record) bool {
			return r.Kind != "correction" || IsGUID(r.Corrects) && r.Corrects != r.RecordID
		}},
	{"InvalidCorrects", "only a correction has corrects",
		func(r *Record) bool { return r.Kind == "correction" || !r.has["corrects"] }},
	{"InvalidBillingModel", "billingModel is not PayAsYouUse, Capacity or Development",
		func(r *Record) bool { return slices.Contains(knownModels, r.BillingModel) }},
	{"InvalidBillingSubscriptionId", "billingSubscriptionId is not a lower-case GUID with dashes",
		func(r *Record) bool { return IsGUID(r.BillingSubscriptionID) }},
	{"InvalidSubscriptionId", "subscriptionId is not a lower-case GUID with dashes",
		func(r *Record) bool { return IsGUID(r.SubscriptionID) }},
	{"InvalidMeterId", "meterId is not a lower-case GUID with dashes",
		func(r *Record) bool { return IsGUID(r.MeterID) }},
	{"InvalidCommerceMeterId", "commerceMeterId is not a lower-case GUID with dashes; where it is unknown it is left out",
		func(r *Record) bool { return !r.has["commerceMeterId"] || IsGUID(r.CommerceMeterID) }},
	{"InvalidMeterClass", "meterClass is not full, admin, informational or unknown",
		func(r *Record) bool { return slices.Contains(knownClasses, r.MeterClass) }},
	{"InvalidFlags", "flags names a flag that is not known or names one twice, or is empty instead of absent",
		func(r *Record) bool { return !r.has["flags"] || flagsHold(r.Flags) }},
	{"InvalidQuantity", "quantity is not canonical decimal text",
		func(r *Record) bool { return IsCanonical(r.Quantity) }},
	{"QuantityTooLong", "quantity has more than 128 characters",
		func(r *Record) bool { return len(r.Quantity) <= maxQuantity }},
	{"NegativeQuantity", "usage cannot be negative; only what changes an earlier revision can",
		func(r *Record) bool { return r.Kind != "usage" || !strings.HasPrefix(r.Quantity, "-") }},
	{"InvalidUsageDate", "usageDate is not a date like 2019-12-10",
		func(r *Record) (ok bool) {
			day, err := time.Parse(time.DateOnly, r.UsageDate)
			r.day, r.usedOn = day, day
			return err == nil
		}},
	{"InvalidCarriedFrom", "what is carried forward must say from which day, and usage cannot",
		func(r *Record) bool {
			return r.Kind == "correction" || (r.Kind == "carryForward") == r.has["carriedFrom"]
		}},
	{"InvalidCarriedFrom", "carriedFrom is not a date before usageDate",
		func(r *Record) bool {
			if !r.has["carriedFrom"] {
				return true
			}
			day, err := time.Parse(time.DateOnly, r.CarriedFrom)
			r.usedOn = day
			return err == nil && day.Before(r.day)
		}},
	{"InvalidReason", "carriedFrom and reason come together",
		func(r *Record) bool { return r.has["reason"] == r.has["carriedFrom"] }},
	{"InvalidReason", "reason is empty, longer than 1000 bytes or has control characters",
		func(r *Record) bool {
			return !r.has["reason"] || r.Reason != "" && len(r.Reason) <= maxReason &&
				!strings.ContainsFunc(r.Reason, func(c rune) bool { return c < ' ' || c == 0x7f })
		}},
	{"InvalidUsageStart", "usageStart is not the start of usageDate in UTC, RFC 3339",
		func(r *Record) bool { return isInstant(r.UsageStart, r.day) }},
	{"InvalidUsageEnd", "usageEnd is not the end of usageDate in UTC, RFC 3339",
		func(r *Record) bool { return isInstant(r.UsageEnd, r.End()) }},
	{"InvalidHours", "hours are not ascending numbers from 0 to 23, each once",
		func(r *Record) bool { return hoursHold(r.Hours) }},
	{"InvalidHours", "usage has no hour that carried it",
		func(r *Record) bool { return r.Kind != "usage" || len(r.Hours) > 0 }},
	{"InvalidRegion", `region is not "Azure Stack"`,
		func(r *Record) bool { return r.Region == "Azure Stack" }},
	{"InvalidLocation", `location is not "azurestack"`,
		func(r *Record) bool { return r.Location == "azurestack" }},
	{"InvalidResourceUri", "resourceUri does not begin with / or has control characters",
		func(r *Record) bool {
			return strings.HasPrefix(r.ResourceURI, "/") &&
				!strings.ContainsFunc(r.ResourceURI, func(c rune) bool { return c < ' ' || c == 0x7f })
		}},
	{"TextTooLong", "tags is longer than 16 KiB; its hash goes instead",
		func(r *Record) bool { return len(r.Tags) <= maxText }},
	{"TextTooLong", "additionalInfo: stamp is longer than 16 KiB; its hash goes instead",
		func(r *Record) bool { return len(r.stamp) <= maxText }},
	{"MeterMismatch", "additionalInfo: azureStack.MeterId is not the meter of meterId",
		func(r *Record) bool { return sameGUID(r.ownMeter, r.MeterID) }},
	{"SubscriptionMismatch", "additionalInfo: azureStack.SubscriptionId is not the subscription of subscriptionId",
		func(r *Record) bool { return sameGUID(r.ownSubscription, r.SubscriptionID) }},
	{"InvalidStampLocation", "additionalInfo: azureStack.Location is empty",
		func(r *Record) bool { return r.ownLocation != "" }},
	{"InvalidEventDateTime", "additionalInfo: azureStack.EventDateTime is not the first of hours on the day of the usage, like 12/10/2019 17:00:00",
		eventHolds},
}

// End is that of the usage day.
func (r *Record) End() time.Time { return r.day.AddDate(0, 0, 1) }

func eventHolds(r *Record) bool {
	event, err := time.Parse(eventLayout, r.eventDateTime)
	if err != nil || event.Format(eventLayout) != r.eventDateTime {
		return false
	}
	if len(r.Hours) == 0 {
		return true
	}
	return event.Equal(r.usedOn.Add(time.Duration(r.Hours[0]) * time.Hour))
}

func isInstant(text string, want time.Time) bool {
	got, err := time.Parse(time.RFC3339, text)
	if err != nil || !got.Equal(want) {
		return false
	}
	_, offset := got.Zone()
	return offset == 0
}

func hoursHold(hours []int) bool {
	for i, h := range hours {
		if h > 23 || i > 0 && h <= hours[i-1] {
			return false
		}
	}
	return true
}

func flagsHold(flags []string) bool {
	for i, f := range flags {
		if !slices.Contains(knownFlags, f) || slices.Contains(flags[:i], f) {
			return false
		}
	}
	return len(flags) > 0
}

// IsCanonical reports whether text is a decimal number in its one canonical
// form: no exponent, no plus sign, no needless zeros, no negative zero.
func IsCanonical(text string) bool {
	return text != "-0" && canonicalDecimal.MatchString(text)
}

// IsGUID reports whether text is a GUID in lower case with dashes, and not the
// nil GUID.
func IsGUID(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id != uuid.Nil && id.String() == text
}

// sameGUID compares a GUID as a stack wrote it, in whatever case and with or
// without dashes, with one in canonical form.
func sameGUID(own, canonical string) bool {
	id, err := uuid.Parse(own)
	return err == nil && id.String() == canonical
}

// Codes returns every code that a record can be rejected with.
func Codes() []string {
	codes := []string{"NotOneLine", "DuplicateField", "UnknownField", "MissingField", "WrongType"}
	for _, r := range rules {
		codes = append(codes, r.code)
	}
	return codes
}
