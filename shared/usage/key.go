package usage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
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

// Size is how many bytes the parts have.
func (s *Shown) Size() int {
	return len(s.SubscriptionID) + len(s.ResourceURI) + len(s.MeterID) + len(s.Location) + len(s.Tags) + len(s.AdditionalInfo)
}

// Key is what rows are summed by: the parts of Shown in normal form, so that
// the stack's varying spelling of one thing is one key. GUIDs are lower case
// without dashes, resource URIs lower case; "", "null" and absent are alike.
type Key struct {
	SubscriptionID, ResourceURI, MeterID, Location, Tags, AdditionalInfo string
}

// Key is the normal form of s.
func (s Shown) Key() Key {
	var room [320]byte
	b := AppendNormalGUID(room[:0], s.SubscriptionID)
	meter := len(b)
	b = AppendNormalGUID(b, s.MeterID)
	uri := len(b)
	text := string(AppendLower(b, s.ResourceURI))
	return Key{
		SubscriptionID: text[:meter],
		ResourceURI:    text[uri:],
		MeterID:        text[meter:uri],
		Location:       OrEmpty(s.Location),
		Tags:           OrEmpty(s.Tags),
		AdditionalInfo: OrEmpty(s.AdditionalInfo),
	}
}

// KeyAfter is the normal form of s, given t with its normal form, of which what both have
// is taken: neighbours in a file share most of their parts.
func (s *Shown) KeyAfter(t *Shown, key Key) Key {
	if s.SubscriptionID != t.SubscriptionID {
		key.SubscriptionID = NormalGUID(s.SubscriptionID)
	}
	if s.ResourceURI != t.ResourceURI {
		var room [256]byte
		key.ResourceURI = string(AppendLower(room[:0], s.ResourceURI))
	}
	if s.MeterID != t.MeterID {
		key.MeterID = NormalGUID(s.MeterID)
	}
	key.Location, key.Tags, key.AdditionalInfo = OrEmpty(s.Location), OrEmpty(s.Tags), OrEmpty(s.AdditionalInfo)
	return key
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
func (k Key) Compare(l Key) int { return CompareKeys(&k, &l) }

// CompareKeys is Key.Compare without copies, for merges.
func CompareKeys(k, l *Key) int {
	// Not cmp.Or, which compares all parts before it looks at the first.
	if order := strings.Compare(k.SubscriptionID, l.SubscriptionID); order != 0 {
		return order
	}
	if order := strings.Compare(k.ResourceURI, l.ResourceURI); order != 0 {
		return order
	}
	if order := strings.Compare(k.MeterID, l.MeterID); order != 0 {
		return order
	}
	if order := strings.Compare(k.Location, l.Location); order != 0 {
		return order
	}
	if order := strings.Compare(k.Tags, l.Tags); order != 0 {
		return order
	}
	return strings.Compare(k.AdditionalInfo, l.AdditionalInfo)
}

// NormalGUID is a GUID in lower case without dashes. It does not check.
func NormalGUID(s string) string {
	var room [guidLength]byte
	if normal := AppendNormalGUID(room[:0], s); string(normal) != s {
		return string(normal)
	}
	return s
}

// AppendNormalGUID appends NormalGUID(s).
func AppendNormalGUID[T string | []byte](b []byte, s T) []byte {
	start := len(b)
	for i := range len(s) {
		if c := s[i]; c != '-' {
			b = append(b, c)
		}
	}
	return lowerFrom(b, start)
}

// AppendLower appends strings.ToLower(s).
func AppendLower[T string | []byte](b []byte, s T) []byte {
	return lowerFrom(append(b, s...), len(b))
}

// lowerFrom puts what b has from start on in lower case, eight bytes at a time while it is
// ASCII.
func lowerFrom(b []byte, start int) []byte {
	text := b[start:]
	for ; len(text) >= 8; text = text[8:] {
		eight := binary.LittleEndian.Uint64(text)
		if eight&highs != 0 {
			return append(b[:start], bytes.ToLower(b[start:])...)
		}
		// The high bits of the bytes from A, and of those after Z.
		capital := (eight + (utf8.RuneSelf-'A')*ones) &^ (eight + (utf8.RuneSelf-'Z'-1)*ones) & highs
		binary.LittleEndian.PutUint64(text, eight|capital>>2)
	}
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return append(b[:start], bytes.ToLower(b[start:])...)
		}
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
	return b
}

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
	dashed := len(s) == guidLength && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-'
	if !dashed && len(s) != dashlessLength {
		return false, false
	}
	sum := 0
	for i := range len(s) {
		sum += hexDigits[s[i]]
	}
	return sum&0xff == dashlessLength, sum>>8 == dashlessLength
}

// hexDigits is 1 for the digits of GUIDs, and 0x101 for zero: the sum has two counts.
var hexDigits = func() (of [256]int) {
	for _, c := range []byte("0123456789abcdefABCDEF") {
		of[c] = 1
	}
	of['0'] = 0x101
	return of
}()

// OrEmpty is s, or nothing where a stack wrote "null".
func OrEmpty[T string | []byte](s T) T {
	if string(s) == "null" {
		return s[:0]
	}
	return s
}
