package daily

import (
	"cmp"
	"crypto/sha1" // of UUIDs of version 5
	"hash"
	"math/bits"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// recordNamespace is the name space of record ids. It is part of the format:
// another value would give every record another identity.
var recordNamespace = uuid.MustParse("6f0c1a52-3d0e-5f0b-9f43-7d1f0f0e6a11")

// eventDateTime is the layout of azureStack.EventDateTime on Azure's side.
const eventDateTime = "01/02/2006 15:04:05"

// recorder makes the lines and records of a day by its rules, and remembers what many of
// them share. Not safe for concurrent use.
type recorder struct {
	Rules
	normal, dashed memo[string] // GUIDs
	mismatches     memo[bool]   // by meter and additionalInfo
	events         [24]string   // azureStack.EventDateTime by hour of the day
	hash           hash.Hash
	begin, name    []byte // of the names that ids of records are made from
}

func newRecorder(r Rules) *recorder {
	return &recorder{Rules: r, normal: memo[string]{}, dashed: memo[string]{}, mismatches: memo[bool]{}, hash: sha1.New(), begin: r.beginName(nil)}
}

// memo remembers a bounded number of what was made from texts.
type memo[V any] map[string]V

// Bounds of a memo.
const (
	maxMemo     = 4096
	maxMemoText = 256 // bytes
)

func (m memo[V]) of(text string, find func(string) V) V {
	v, known := m[text]
	if known {
		return v
	}
	text = strings.Clone(text) // and not the whole line that it is from
	v = find(text)
	if len(m) == maxMemo {
		clear(m)
	}
	if len(text) <= maxMemoText {
		m[text] = v
	}
	return v
}

// line is what a sum is billed as under these rules.
func (r *recorder) line(s *Sum, key *usage.Key) Line {
	t := r.terms(s.Hours)
	m, known := r.Meters.Find(key.MeterID)
	l := Line{Shown: s.Shown, BillingModel: t.BillingModel, BillingSubscriptionID: r.payer(t, key.SubscriptionID),
		MeterClass: m.Class, CommerceMeterID: m.CommerceID}
	if t.Unreported {
		l.Reporting = ReportingOff
	}
	switch {
	case t.Infrastructure[key.SubscriptionID]:
		l.MeterClass, l.CommerceMeterID = meter.Admin, m.AdminCommerceID
	case !known:
		l.MeterClass = meter.Unknown
	}
	return l
}

// keyOf is the LineKey of a line with a key of usage.
func (r *recorder) keyOf(l *Line, key usage.Key) LineKey {
	return l.lineKey(key, func(guid string) string { return r.normal.of(guid, usage.NormalGUID) })
}

// record states a quantity of a line.
func (r *recorder) record(l *Line, k *LineKey, hours usage.HourSet, quantity usage.Quantity) Record {
	m, known := r.Meters.Find(k.MeterID)
	return Record{
		RecordID:              r.recordID(k),
		CloudID:               r.CloudID,
		Kind:                  Usage,
		CarriedFrom:           l.CarriedFrom,
		Revision:              r.Revision,
		BillingModel:          l.BillingModel,
		BillingSubscriptionID: l.BillingSubscriptionID,
		SubscriptionID:        r.dashed.of(l.SubscriptionID, usage.DashedGUID),
		MeterID:               r.dashed.of(l.MeterID, usage.DashedGUID),
		CommerceMeterID:       l.CommerceMeterID,
		MeterName:             m.Name,
		Unit:                  m.Unit,
		MeterClass:            l.MeterClass,
		Flags:                 r.flags(l, &k.Key, m, known),
		Quantity:              quantity,
		UsageDate:             r.Day,
		UsageStart:            r.Day.Start(),
		UsageEnd:              r.Day.End(),
		Hours:                 hours,
		Region:                Region,
		Location:              Location,
		ResourceURI:           l.ResourceURI,
		Tags:                  ownText(k.Tags),
		AdditionalInfo: AdditionalInfo{
			Stamp:          ownText(k.AdditionalInfo),
			MeterID:        l.MeterID,
			SubscriptionID: l.SubscriptionID,
			Location:       cmp.Or(k.Location, r.Region),
			EventDateTime:  r.event(l.CarriedFrom, hours),
		},
	}
}

// event is the first hour of a line with usage.
func (r *recorder) event(carriedFrom usage.Day, hours usage.HourSet) string {
	first := 0
	if list := uint32(hours) & (1<<24 - 1); list != 0 {
		first = bits.TrailingZeros32(list)
	}
	text := func(day usage.Day) string {
		return (day.First() + usage.Hour(first)).Start().Format(eventDateTime)
	}
	if carriedFrom != 0 {
		return text(carriedFrom)
	}
	if r.events[first] == "" {
		r.events[first] = text(r.Day)
	}
	return r.events[first]
}

// flags are in order.
func (r *recorder) flags(l *Line, key *usage.Key, m meter.Meter, known bool) (flags []string) {
	if m.Deprecated {
		flags = append(flags, FlagDeprecatedMeter)
	}
	if usage.ResourceSubscription(key.ResourceURI) != key.SubscriptionID {
		flags = append(flags, FlagForeignResource)
	}
	if r.Incomplete && l.CarriedFrom == 0 { // the hours of this day are not those of its usage
		flags = append(flags, FlagIncompleteDay)
	}
	if l.MeterClass != meter.Admin && r.mismatch(key) { // the stack's own machines cost nothing on either
		flags = append(flags, FlagLicenceMismatch)
	}
	if !known {
		flags = append(flags, FlagUnknownMeter)
	}
	return flags
}

func (r *recorder) mismatch(key *usage.Key) bool {
	return key.AdditionalInfo != "" && meter.HasLicence(key.MeterID) && r.mismatches.of(key.MeterID+key.AdditionalInfo, func(string) bool {
		return meter.LicenceMismatch(key.MeterID, key.AdditionalInfo)
	})
}

func (r *recorder) recordID(k *LineKey) string {
	r.name = r.endName(append(r.name[:0], r.begin...), k)
	return uuid.NewHash(r.hash, recordNamespace, r.name, 5).String()
}

func (r Rules) recordID(k LineKey) string {
	return uuid.NewSHA1(recordNamespace, r.endName(r.beginName(nil), &k)).String()
}

// beginName begins the list of strings and a number, as JSON, that an id is made from. It
// is part of the format.
func (r *Rules) beginName(b []byte) []byte {
	b = linefile.AppendString(append(b, '['), usage.NormalGUID(r.CloudID))
	b = linefile.AppendString(append(b, ','), r.Day.Compact())
	return strconv.AppendInt(append(b, ','), int64(r.Revision), 10)
}

func (r *Rules) endName(b []byte, k *LineKey) []byte {
	for _, part := range [...]string{k.SubscriptionID, k.ResourceURI, k.MeterID, k.Location, k.Tags, k.AdditionalInfo, k.billing, k.commerceMeter, k.class} {
		b = linefile.AppendString(append(b, ','), part)
	}
	// What is usual is left out: the ids of such lines were made before there was anything else,
	// and stay as they are.
	if k.carriedFrom != 0 {
		b = linefile.AppendString(append(b, ','), k.carriedFrom.Compact())
	}
	if k.model != r.BillingModel {
		b = linefile.AppendString(append(b, ','), string(k.model))
	}
	return append(b, ']')
}
