package usage

import (
	"errors"
	"strings"
)

// Shown holds the parts of a key as the stack wrote them.
type Shown struct {
	SubscriptionID string `json:"subscriptionId"`
	ResourceURI    string `json:"resourceUri"`
	MeterID        string `json:"meterId"`
	Location       string `json:"location,omitempty"`
	Tags           string `json:"tags,omitempty"`
	AdditionalInfo string `json:"additionalInfo,omitempty"`
}

// Key is what rows are summed by: the parts of Shown in normal form, so that
// the stack's varying spelling of one thing is one key. GUIDs are lower case
// without dashes, resource URIs lower case; "", "null" and absent are alike.
type Key struct {
	SubscriptionID, ResourceURI, MeterID, Location, Tags, AdditionalInfo string
}

// Key is the normal form of s.
func (s Shown) Key() Key {
	return Key{
		SubscriptionID: NormalGUID(s.SubscriptionID),
		ResourceURI:    strings.ToLower(s.ResourceURI),
		MeterID:        NormalGUID(s.MeterID),
		Location:       orEmpty(s.Location),
		Tags:           orEmpty(s.Tags),
		AdditionalInfo: orEmpty(s.AdditionalInfo),
	}
}

// Least is, part by part, the form of s and t that is least in byte order: a
// choice that depends neither on the order of arrival nor on how rows are
// grouped.
func (s Shown) Least(t Shown) Shown {
	return Shown{
		SubscriptionID: min(s.SubscriptionID, t.SubscriptionID),
		ResourceURI:    min(s.ResourceURI, t.ResourceURI),
		MeterID:        min(s.MeterID, t.MeterID),
		Location:       min(s.Location, t.Location),
		Tags:           min(s.Tags, t.Tags),
		AdditionalInfo: min(s.AdditionalInfo, t.AdditionalInfo),
	}
}

// Compare orders keys part by part in byte order.
func (k Key) Compare(l Key) int {
	switch { // not cmp.Or, which compares all parts before it looks at the first
	case k.SubscriptionID != l.SubscriptionID:
		return strings.Compare(k.SubscriptionID, l.SubscriptionID)
	case k.ResourceURI != l.ResourceURI:
		return strings.Compare(k.ResourceURI, l.ResourceURI)
	case k.MeterID != l.MeterID:
		return strings.Compare(k.MeterID, l.MeterID)
	case k.Location != l.Location:
		return strings.Compare(k.Location, l.Location)
	case k.Tags != l.Tags:
		return strings.Compare(k.Tags, l.Tags)
	}
	return strings.Compare(k.AdditionalInfo, l.AdditionalInfo)
}

// NormalGUID is a GUID in lower case without dashes. It does not check.
func NormalGUID(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }

// DashedGUID is a GUID, given with or without dashes, in lower case with them.
func DashedGUID(s string) string {
	n := NormalGUID(s)
	if len(n) != 32 {
		return s
	}
	return n[:8] + "-" + n[8:12] + "-" + n[12:16] + "-" + n[16:20] + "-" + n[20:]
}

// CheckGUID reports what is wrong with a GUID: 32 hex digits of any case, with
// the four dashes or, as two of the stack's meters are written, without. The
// nil GUID names nothing.
func CheckGUID(s string) error {
	guid, zeros := scanGUID(s)
	switch {
	case s == "":
		return errors.New("missing")
	case !guid:
		return errors.New("not a GUID")
	case zeros:
		return errors.New("all zeros")
	}
	return nil
}

const (
	guidLength     = 36
	dashlessLength = 32
)

// scanGUID reports whether s is a GUID, and whether it is the nil GUID.
func scanGUID[T string | []byte](s T) (guid, zeros bool) {
	dashed := len(s) == guidLength
	if !dashed && len(s) != dashlessLength {
		return false, false
	}
	var digits byte
	for i := range len(s) {
		c := s[i]
		if dashed && (i == 8 || i == 13 || i == 18 || i == 23) {
			if c != '-' {
				return false, false
			}
			continue
		}
		if !isHex[c] {
			return false, false
		}
		digits |= c
	}
	return true, digits == '0'
}

var isHex = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF") {
		is[c] = true
	}
	return is
}()

func isGUID(s string) bool {
	guid, _ := scanGUID(s)
	return guid
}

func orEmpty(s string) string {
	if s == "null" {
		return ""
	}
	return s
}
