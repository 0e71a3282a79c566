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

func appendText(b []byte, text string) []byte {
	if strings.IndexByte(text, end) < 0 && strings.IndexByte(text, escape) < 0 {
		return append(append(b, text...), end)
	}
	for i := range len(text) {
		if c := text[i]; c <= escape {
			b = append(b, escape, c+1)
		} else {
			b = append(b, c)
		}
	}
	return append(b, end)
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

// appendShown writes the texts of a row.
func appendShown(b []byte, s usage.Shown) []byte {
	for _, text := range [...]string{s.SubscriptionID, s.ResourceURI, s.MeterID, s.Location, s.Tags, s.AdditionalInfo} {
		b = appendText(b, text)
	}
	return b
}

// shownOf reads what appendShown wrote.
func shownOf(packed string) (s usage.Shown, ok bool) {
	for _, text := range [...]*string{&s.SubscriptionID, &s.ResourceURI, &s.MeterID, &s.Location, &s.Tags, &s.AdditionalInfo} {
		if *text, packed, ok = cutText(packed); !ok {
			return s, false
		}
	}
	return s, packed == ""
}

// appendKey writes what rows add by, so that keys compare as bytes as totals are
// ordered: by day, by usage.Key, by hour. shown is what appendShown wrote.
func appendKey(b, shown []byte, hour usage.Hour) []byte {
	day := hour.Day()
	b = binary.BigEndian.AppendUint64(b, uint64(day)^1<<63)
	for part := range 6 {
		n := bytes.IndexByte(shown, end)
		text := shown[:n]
		shown = shown[n+1:]
		switch {
		case part == 0 || part == 2: // GUIDs
			b = appendLower(b, text, '-')
		case part == 1:
			b = appendLower(b, text, 0)
		case string(text) != "null":
			b = append(b, text...)
		}
		b = append(b, end)
	}
	return append(b, 0, byte(hour.OfDay())) // two bytes: no key has less than sixteen
}

// appendLower writes a text in lower case, without a character if it is not zero.
func appendLower(b, text []byte, without byte) []byte {
	at := len(b)
	if without == 0 || bytes.IndexByte(text, without) < 0 {
		b = append(b, text...)
	} else {
		for _, c := range text {
			if c != without {
				b = append(b, c)
			}
		}
	}
	if !lowerASCII(b[at:]) {
		b = append(b[:at], lower(text, without)...)
	}
	return b
}

// lowerASCII puts a text in lower case, eight bytes at a time. It is false, and has done
// part of it, if a byte is not ASCII.
func lowerASCII(text []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		eight := binary.LittleEndian.Uint64(text)
		if eight&highs != 0 {
			return false
		}
		// The high bits of the bytes from A, and of those after Z.
		capital := (eight + (0x80-'A')*ones) &^ (eight + (0x80-'Z'-1)*ones) & highs
		binary.LittleEndian.PutUint64(text, eight|capital>>2)
	}
	for i, c := range text {
		if c >= 0x80 {
			return false
		}
		if 'A' <= c && c <= 'Z' {
			text[i] = c | 0x20
		}
	}
	return true
}

// lower is appendLower of letters that are not ASCII. Bytes 0 and 1 are their escapes.
func lower(text []byte, without byte) []byte {
	text = bytes.ToLower(text)
	if without != 0 {
		text = bytes.ReplaceAll(text, []byte{without}, nil)
	}
	return text
}
