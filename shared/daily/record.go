package daily

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Region and Location are what every Azure Stack record says on Azure's side;
// the stack's own location goes to azureStack.Location.
const (
	Region   = "Azure Stack"
	Location = "azurestack"
)

// Kind says what a record states.
type Kind string

// Kinds. A correction's quantity is a difference to what commerce accepted
// before, and may be below zero. So may what is carried forward: a difference
// of an earlier day that commerce does not take any more.
const (
	Usage        Kind = "usage"
	Correction   Kind = "correction"
	CarryForward Kind = "carryForward"
)

// Flags of a record.
const (
	FlagUnknownMeter    = "unknownMeter"
	FlagDeprecatedMeter = "deprecatedMeter"
	FlagLicenceMismatch = "licenseMismatch" // the machine is on the wrong one of base and Windows meter; meter.LicenceMismatch
	FlagForeignResource = "foreignResource" // the resource URI names another subscription
	FlagIncompleteDay   = "incompleteDay"   // the day was closed with hours missing
)

// maxOwnText is how much of the stack's own text a record carries; beyond it
// carries the text's hash, because a table property ends at 32 KiB.
const maxOwnText = 16 << 10

// Record is one daily record: what commerce takes. docs/formats/daily-record.md.
type Record struct {
	RecordID              string                    `json:"recordId"`
	CloudID               string                    `json:"cloudId"`
	Kind                  Kind                      `json:"kind"`
	Corrects              string                    `json:"corrects,omitempty"`    // recordId before it; only in corrections
	CarriedFrom           usage.Day                 `json:"carriedFrom,omitempty"` // the day of the usage; only of what was carried forward
	Reason                string                    `json:"reason,omitempty"`      // why it was
	Revision              int                       `json:"revision"`
	BillingModel          registration.BillingModel `json:"billingModel"`
	BillingSubscriptionID string                    `json:"billingSubscriptionId"`
	SubscriptionID        string                    `json:"subscriptionId"`
	MeterID               string                    `json:"meterId"`
	CommerceMeterID       string                    `json:"commerceMeterId,omitempty"`
	MeterName             string                    `json:"meterName"`
	Unit                  string                    `json:"unit"`
	MeterClass            meter.Class               `json:"meterClass"`
	Flags                 []string                  `json:"flags,omitempty"`
	Quantity              usage.Quantity            `json:"quantity"`
	UsageDate             usage.Day                 `json:"usageDate"`
	UsageStart            time.Time                 `json:"usageStart"`
	UsageEnd              time.Time                 `json:"usageEnd"`
	Hours                 usage.HourSet             `json:"hours"`
	Region                string                    `json:"region"`
	Location              string                    `json:"location"`
	ResourceURI           string                    `json:"resourceUri"`
	Tags                  string                    `json:"tags"`
	AdditionalInfo        AdditionalInfo            `json:"additionalInfo"`
}

// AdditionalInfo is the stack's own text and the four keys by which Azure's
// billing side knows an Azure Stack record.
type AdditionalInfo struct {
	Stamp          string `json:"stamp,omitempty"`
	MeterID        string `json:"azureStack.MeterId"`
	SubscriptionID string `json:"azureStack.SubscriptionId"`
	Location       string `json:"azureStack.Location"`
	EventDateTime  string `json:"azureStack.EventDateTime"` // first hour with usage, month/day/year, UTC
}

// Rules turn a sum into a record: everything that is decided about a usage day
// when it is closed. The same rules and sums always give the same records.
type Rules struct {
	CloudID    string
	Day        usage.Day
	Revision   int
	Terms                                       // of the day, or of its last part
	Earlier    []Terms                          // of the parts before it, in order
	Tenant     func(subscription string) string // of the stack's subscription; both in normal form. Nil: nobody's tenant is known
	Region     string                           // the stack's own name, for rows that name none
	Incomplete bool                             // closed with hours missing
	Meters     *meter.Catalogue

	carries    bool // differences go to another day
	unreported bool // reporting is off: differences are kept
	waiving    Waiving
}

// terms are those of the part that usage of some hours falls in.
func (r Rules) terms(hours usage.HourSet) Terms {
	if len(r.Earlier) == 0 {
		return r.Terms
	}
	if list := hours.Hours(); len(list) > 0 {
		at := (r.Day.First() + usage.Hour(list[0])).Start()
		for _, t := range r.Earlier {
			if at.Before(t.Until) {
				return t
			}
		}
	}
	return r.Terms
}

// payer is who is charged for usage of a stack subscription.
func (r Rules) payer(t Terms, subscription string) string {
	if r.Tenant == nil {
		return t.BillingSubscriptionID
	}
	tenant := r.Tenant(subscription) // also where it decides nothing: each subscription with usage is settled
	if tenant == "" || t.Infrastructure[subscription] {
		return t.BillingSubscriptionID
	}
	return cmp.Or(t.Mapped[tenant], t.BillingSubscriptionID)
}

// Record states one sum.
func (r Rules) Record(s Sum) Record {
	c := newRecorder(r)
	key := s.Key()
	l := c.line(&s, &key)
	k := c.keyOf(&l, key)
	return c.record(&l, &k, s.Hours, s.Quantity)
}

func ownText(s string) string {
	if len(s) <= maxOwnText {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Row is the table key of the record within its usage day: a tenant or a
// resource is a range of rows.
func (r Record) Row() string {
	return RowsOf(r.SubscriptionID, r.ResourceURI) + "_" + r.RecordID
}

// RowsOf is how the table keys of all records of a resource begin, before an underscore.
func RowsOf(subscriptionID, resourceURI string) string {
	uri := sha256.Sum256([]byte(strings.ToLower(resourceURI)))
	return subscriptionID + "_" + hex.EncodeToString(uri[:4])
}

// idLength is that of a GUID with dashes.
const idLength = 36

// RecordIDOf reads the id of an encoded record, which is its first field.
func RecordIDOf(text []byte) (string, error) {
	if rest, is := bytes.CutPrefix(text, []byte(`{"recordId":"`)); is {
		if id, _, ends := bytes.Cut(rest, []byte{'"'}); ends && len(id) == idLength {
			return string(id), nil
		}
	}
	return "", fmt.Errorf("%w: a record without recordId", linefile.ErrDamaged)
}
