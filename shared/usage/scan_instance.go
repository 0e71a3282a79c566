package usage

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"stackusage/shared/strictjson"
)

// instanceData as a stack writes it, inside the quotes of the row:
//
//	{\"Microsoft.Resources\":{\"resourceUri\":\"…\",\"location\":\"…\",\"tags\":\"…\",\"additionalInfo\":\"…\"}}
const (
	beforeURI      = `{\"Microsoft.Resources\":{\"resourceUri\":\"`
	beforeLocation = `\",\"location\":\"`
	beforeTags     = `\",\"tags\":\"`
	beforeInfo     = `\",\"additionalInfo\":\"`
	atInstanceEnd  = `\"}}`
)

// Shown checks and reads the parts that Scan did not check; the result depends on their bytes
// alone. If Scan and Shown return true, ParseRecord gives Record{Shown, Hour, Quantity} for the
// line, and no rejection. If Shown returns false, ParseRecord says what is wrong.
func (r Scanned) Shown() (Shown, bool) {
	if !namesOne(r.SubscriptionID) || !namesOne(r.MeterID) {
		return Shown{}, false
	}
	shown, ok := r.scanInstance()
	if !ok { // of another shape, or bad
		shown = Shown{SubscriptionID: string(r.SubscriptionID), MeterID: string(r.MeterID)}
		quoted := append(append(append(make(strictjson.Value, 0, len(r.Instance)+2), '"'), r.Instance...), '"')
		if parseInstance(quoted, &shown) != nil {
			return Shown{}, false
		}
	}
	return shown, true
}

// namesOne reports whether CheckGUID finds nothing wrong with id.
func namesOne(id []byte) bool {
	guid, zeros := scanGUID(id)
	return guid && !zeros
}

// scanInstance reads instanceData of the known shape. All texts are parts of one string.
func (r Scanned) scanInstance() (shown Shown, ok bool) {
	if !hasPrefix(r.Instance, beforeURI) || !isText(r.Instance) {
		return Shown{}, false
	}
	quotes := bytes.Count(r.Instance, []byte{'"'}) - strings.Count(beforeURI+beforeLocation+beforeTags+beforeInfo+atInstanceEnd, `"`)
	var room [640]byte
	all := append(append(room[:0], r.SubscriptionID...), r.MeterID...)
	rest := r.Instance[len(beforeURI):]
	var ends [4]int
	for i, next := range [...]string{beforeLocation, beforeTags, beforeInfo, atInstanceEnd} {
		var escaped int
		if all, rest, escaped, ok = appendInner(all, rest, next); !ok {
			return Shown{}, false
		}
		quotes -= escaped
		ends[i] = len(all)
	}
	if len(rest) > 0 || quotes != 0 { // one that is not escaped ends the outer string
		return Shown{}, false
	}
	text, ids := string(all), len(r.SubscriptionID)+len(r.MeterID)
	shown = Shown{
		SubscriptionID: text[:len(r.SubscriptionID)],
		MeterID:        text[len(r.SubscriptionID):ids],
		ResourceURI:    text[ids:ends[0]],
		Location:       text[ends[0]:ends[1]],
		Tags:           text[ends[1]:ends[2]],
		AdditionalInfo: text[ends[2]:ends[3]],
	}
	return shown, len(shown.Location) <= maxLocation && checkResourceURI(shown.ResourceURI) == nil
}

// appendInner appends the text of a JSON string inside a JSON string, up to its closing quote, with
// which next begins and which must follow. The inner escapes that it knows are the backslash and the
// quote, each of which the outer string escapes again; it counts the quotes.
func appendInner(to, rest []byte, next string) (text, after []byte, quotes int, ok bool) {
	for {
		slash := bytes.IndexByte(rest, '\\')
		if slash < 0 {
			return to, nil, 0, false
		}
		to, rest = append(to, rest[:slash]...), rest[slash:]
		switch {
		case hasPrefix(rest, `\\\"`):
			to, rest = append(to, '"'), rest[4:]
			quotes++
		case hasPrefix(rest, `\\\\`):
			to, rest = append(to, '\\'), rest[4:]
		case hasPrefix(rest, next):
			return to, rest[len(next):], quotes, true
		default:
			return to, nil, 0, false
		}
	}
}

// isText reports whether b is UTF-8 without the control characters that JSON forbids.
func isText(b []byte) bool {
	var control, beyond uint64
	rest := b
	for ; len(rest) >= 8; rest = rest[8:] {
		eight := binary.LittleEndian.Uint64(rest)
		control |= (eight - spaces) &^ eight
		beyond |= eight
	}
	for _, c := range rest {
		control |= (uint64(c) - ' ') &^ uint64(c)
		beyond |= uint64(c)
	}
	return control&highs == 0 && (beyond&highs == 0 || utf8.Valid(b))
}
