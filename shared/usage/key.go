package usage

import (
	"cmp"
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
	return cmp.Or(
		cmp.Compare(k.SubscriptionID, l.SubscriptionID),
		cmp.Compare(k.ResourceURI, l.ResourceURI),
		cmp.Compare(k.MeterID, l.MeterID),
		cmp.Compare(k.Location, l.Location),
		cmp.Compare(k.Tags, l.Tags),
		cmp.Compare(k.AdditionalInfo, l.AdditionalInfo),
	)
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
	switch {
	case s == "":
		return errors.New("missing")
	case !isGUID(s):
		return errors.New("not a GUID")
	case NormalGUID(s) == nilGUID:
		return errors.New("all zeros")
	}
	return nil
}

var nilGUID = strings.Repeat("0", 32)

func isGUID(s string) bool {
	if len(s) == 36 && (s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-') {
		return false
	}
	n := NormalGUID(s)
	if len(n) != 32 || len(s) != 32 && len(s) != 36 {
		return false
	}
	for i := range len(n) {
		if !strings.Contains("0123456789abcdef", n[i:i+1]) {
			return false
		}
	}
	return true
}

func orEmpty(s string) string {
	if s == "null" {
		return ""
	}
	return s
}
