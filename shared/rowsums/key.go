package rowsums

import (
	"bytes"
	"encoding/binary"
	"strings"

	"stackusage/shared/usage"
)

// Texts are kept one after the other, each with an end: a zero byte. A zero or one in
// a text is written as two bytes, so that texts so written compare as they do
// themselves, whatever follows them.
const (
	end    = 0
	escape = 1
)

// appendPlain writes a text without an end.
func appendPlain[T string | []byte](b []byte, text T) []byte {
	at := len(b)
	b = append(b, text...)
	if bytes.IndexByte(b[at:], end) < 0 && bytes.IndexByte(b[at:], escape) < 0 {
		return b
	}
	b = b[:at]
	for i := range len(text) {
		if c := text[i]; c <= escape {
			b = append(b, escape, c+1)
		} else {
			b = append(b, c)
		}
	}
	return b
}

// cutText splits off the first text. It is damage of our own file if there is none.
func cutText(b string) (text, rest string, ok bool) {
	text, rest, ok = strings.Cut(b, "\x00")
	if strings.IndexByte(text, escape) < 0 {
		return text, rest, ok
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == escape {
			if i++; i == len(text) {
				return "", "", false
			}
			c = text[i] - 1
		}
		plain = append(plain, c)
	}
	return string(plain), rest, ok
}

// texts are what rows add by, in three parts. Rows share the first and the last one with
// many others.
type texts struct {
	head []byte // the subscription's id with its end, and the resource URI to its third slash
	rest []byte // of the URI
	tail []byte // meter, location, tags and additional information, each with its end
}

// headLength is where the rest of a resource URI begins. No head of one URI is the
// beginning of another's, unless that one has no rest, so that heads and then rests
// compare as the URIs do.
func headLength[T string | []byte](uri T) int {
	slashes := 0
	for i := range len(uri) {
		if uri[i] == '/' {
			if slashes++; slashes == 3 {
				return i + 1
			}
		}
	}
	return len(uri)
}

// set makes the texts of a row.
func (t *texts) set(s usage.Shown) {
	n := headLength(s.ResourceURI)
	t.head = appendPlain(append(appendPlain(t.head[:0], s.SubscriptionID), end), s.ResourceURI[:n])
	t.rest = appendPlain(t.rest[:0], s.ResourceURI[n:])
	t.tail = t.tail[:0]
	for _, text := range [...]string{s.MeterID, s.Location, s.Tags, s.AdditionalInfo} {
		t.tail = append(appendPlain(t.tail, text), end)
	}
}

// shown is the row that texts were made of. It is false if they were damaged.
func (t *texts) shown() (s usage.Shown, ok bool) {
	var room [512]byte
	all := append(append(append(append(room[:0], t.head...), t.rest...), end), t.tail...)
	left := string(all)
	if bytes.IndexByte(all, escape) < 0 { // as in all but texts with control characters
		for _, text := range [...]*string{&s.SubscriptionID, &s.ResourceURI, &s.MeterID, &s.Location, &s.Tags, &s.AdditionalInfo} {
			if *text, left, ok = strings.Cut(left, "\x00"); !ok {
				return s, false
			}
		}
		return s, left == ""
	}
	for _, text := range [...]*string{&s.SubscriptionID, &s.ResourceURI, &s.MeterID, &s.Location, &s.Tags, &s.AdditionalInfo} {
		if *text, left, ok = cutText(left); !ok {
			return s, false
		}
	}
	return s, left == ""
}

// whole reports whether the texts have their ends.
func (t *texts) whole() bool {
	return bytes.Count(t.head, []byte{end}) == 1 && bytes.IndexByte(t.rest, end) < 0 && bytes.Count(t.tail, []byte{end}) == 4
}

func (t *texts) equal(u *texts) bool {
	return bytes.Equal(t.rest, u.rest) && bytes.Equal(t.head, u.head) && bytes.Equal(t.tail, u.tail)
}

// A key is what rows add by, so that keys compare as bytes as totals are ordered: by
// day, by usage.Key, by hour. It is put together of the keys of the three texts.
func appendKey(b, headKey, restKey, tailKey []byte, hour usage.Hour) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(hour.Day())^1<<63)
	b = append(append(append(append(b, headKey...), restKey...), end), tailKey...)
	return append(b, byte(hour.OfDay()))
}

func appendHeadKey(b, head []byte) []byte {
	n := bytes.IndexByte(head, end)
	return usage.AppendLower(append(usage.AppendNormalGUID(b, head[:n]), end), head[n+1:])
}

func appendTailKey(b, tail []byte) []byte {
	for part := range 4 {
		n := bytes.IndexByte(tail, end)
		if text := tail[:n]; part == 0 {
			b = usage.AppendNormalGUID(b, text)
		} else {
			b = append(b, usage.OrEmpty(text)...)
		}
		b, tail = append(b, end), tail[n+1:]
	}
	return b
}
