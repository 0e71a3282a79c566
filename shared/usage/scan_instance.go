package usage

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
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

// Parts are the texts of instanceData of the known shape, as written: a quote or a backslash in
// one has four bytes, for both strings escape it. AppendPart gives the text.
type Parts struct{ ResourceURI, Location, Tags, AdditionalInfo []byte }

// Parts splits instanceData of the known shape without allocating. It returns false for any other.
func (r Scanned) Parts() (p Parts, ok bool) {
	if !hasPrefix(r.Instance, beforeURI) {
		return Parts{}, false
	}
	rest := r.Instance[len(beforeURI):]
	if p.ResourceURI, rest, ok = innerText(rest, beforeLocation); !ok {
		return Parts{}, false
	}
	if p.Location, rest, ok = innerText(rest, beforeTags); !ok {
		return Parts{}, false
	}
	if p.Tags, rest, ok = innerText(rest, beforeInfo); !ok {
		return Parts{}, false
	}
	if p.AdditionalInfo, rest, ok = innerText(rest, atInstanceEnd); !ok || len(rest) > 0 {
		return Parts{}, false
	}
	return p, true
}

// innerText is the text of a JSON string inside a JSON string, up to its closing quote, with which
// next begins and which must follow. Of the inner escapes it knows those of the quote and of the
// backslash.
func innerText(rest []byte, next string) (text, after []byte, ok bool) {
	for at := 0; ; at += 4 {
		slash := bytes.IndexByte(rest[at:], '\\')
		if slash < 0 {
			return nil, nil, false
		}
		at += slash
		if hasPrefix(rest[at:], next) {
			return rest[:at], rest[at+len(next):], true
		}
		if !hasPrefix(rest[at:], escapedQuote) && !hasPrefix(rest[at:], escapedBackslash) {
			return nil, nil, false
		}
	}
}

const (
	escapedQuote     = `\\\"`
	escapedBackslash = `\\\\`
)

// AppendPart appends the text of a part. It returns false if the part has a quote that is not
// escaped: the outer string ends there.
func AppendPart(to, part []byte) (text []byte, ok bool) {
	for {
		plain := part
		slash := bytes.IndexByte(part, '\\')
		if slash >= 0 {
			plain = part[:slash]
		}
		if bytes.IndexByte(plain, '"') >= 0 {
			return to, false
		}
		if to = append(to, plain...); slash < 0 {
			return to, true
		}
		if len(part) < slash+4 {
			return to, false
		}
		to, part = append(to, part[slash+3]), part[slash+4:]
	}
}

// Check checks all that Scan and Parts did not: the result depends on the bytes of both GUIDs and of
// the parts alone. If it is true, ParseRecord gives a record of these texts, this hour and this
// quantity for the line, and no rejection. If it is false, only ParseRecord can tell.
func (r Scanned) Check(p Parts) bool {
	if !namesOne(r.SubscriptionID) || !namesOne(r.MeterID) || !isText(r.Instance) {
		return false
	}
	var room [512]byte
	for _, part := range [...][]byte{p.Tags, p.AdditionalInfo, p.Location} {
		if _, ok := AppendPart(room[:0], part); !ok {
			return false
		}
	}
	return len(p.Location) <= maxLocation && p.CheckURI()
}

// CheckURI is Check of the resource URI alone, for parts that are else those of a row that Check
// found good.
func (p Parts) CheckURI() bool {
	var room [512]byte
	uri, ok := AppendPart(room[:0], p.ResourceURI)
	if ok && isPlain(uri) { // without control characters
		return len(uri) <= maxResourceURI && checkSegments(uri) == nil
	}
	return ok && isText(uri) && checkResourceURI(uri) == nil
}

// namesOne reports whether CheckGUID finds nothing wrong with id.
func namesOne(id []byte) bool {
	guid, zeros := scanGUID(id)
	return guid && !zeros
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
