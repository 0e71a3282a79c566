package usage

import (
	"bytes"
	"encoding/binary"
)

// The fast path of ingest. Nearly every row of a stack has the same names in the same order:
//
//	{"id":"…","name":"…","type":"Microsoft.Commerce/UsageAggregate","properties":{
//	"subscriptionId":"…","usageStartTime":"…","usageEndTime":"…","instanceData":"…",
//	"quantity":…,"meterId":"…","name":"…"}}
//
// Scan takes rows that have exactly this shape, byte for byte, and nothing else; ParseRecord, the
// plain path, judges the others. It is also the oracle: FuzzScan compares both.
const (
	beforeID           = `{"id":"`
	beforeName         = `","name":"`
	beforeSubscription = `","type":"Microsoft.Commerce/UsageAggregate","properties":{"subscriptionId":"`
	beforeStart        = `","usageStartTime":"`
	beforeEnd          = `","usageEndTime":"`
	beforeInstance     = `","instanceData":"`
	beforeQuantity     = `","quantity":`
	beforeMeter        = `,"meterId":"`
	atEnd              = `"}}`
)

// Scanner finds the parts of rows of the known shape without allocating. It is not safe for
// concurrent use.
type Scanner struct {
	reported Hour
	windows  [4]window // of rows before; an hour blob has few
	oldest   int       // the window that the next unknown one replaces
}

// window is a usage window as rows write it, from beforeStart to beforeInstance.
type window struct {
	text []byte
	hour Hour
}

// maxWindow bounds the text of a window that is remembered; real ones have 107 bytes.
const maxWindow = 256

// Scanned holds the parts of a row that Scan took. The slices point into the line.
type Scanned struct {
	SubscriptionID, MeterID []byte // as written, not checked
	Instance                []byte // instanceData between its quotes, with its escapes, not checked
	Hour                    Hour
	Quantity                Quantity
}

// NewScanner returns a scanner of rows that were reported in the given hour.
func NewScanner(reported Hour) *Scanner { return &Scanner{reported: reported} }

// Scan takes a row of the known shape apart. It returns false for any other line, and for a row
// whose window or quantity ParseRecord rejects. The slices are valid as long as line is.
//
// It reads from both ends and leaves out what is between: Instance ends at the last
// `","quantity":`, and an unescaped quote before it is left to Check to find.
func (s *Scanner) Scan(line []byte) (r Scanned, ok bool) {
	if len(line) > MaxLine || !hasPrefix(line, beforeID) {
		return Scanned{}, false
	}
	_, rest, ok := plainText(line[len(beforeID):], beforeName)
	if !ok {
		return Scanned{}, false
	}
	name, rest, ok := plainText(rest, beforeSubscription)
	if !ok {
		return Scanned{}, false
	}
	if r.SubscriptionID, rest, ok = plainText(rest, ""); !ok {
		return Scanned{}, false
	}
	if r.Hour, rest, ok = s.window(rest); !ok || !hasSuffix(rest, atEnd) {
		return Scanned{}, false
	}
	if _, rest, ok = lastPlainText(rest[:len(rest)-len(atEnd)], beforeName, len(name)); !ok {
		return Scanned{}, false
	}
	if r.MeterID, rest, ok = lastPlainText(rest, beforeMeter, guidLength); !ok {
		return Scanned{}, false
	}
	colon := bytes.LastIndexByte(rest, ':')
	if colon < 0 || !hasSuffix(rest[:colon+1], beforeQuantity) {
		return Scanned{}, false
	}
	r.Instance = rest[:colon+1-len(beforeQuantity)]
	if r.Quantity, ok = scanQuantity(rest[colon+1:]); !ok {
		return Scanned{}, false
	}
	return r, true
}

// window reads the usage window at the beginning of rest, which begins with beforeStart.
func (s *Scanner) window(rest []byte) (hour Hour, after []byte, ok bool) {
	for i := range s.windows {
		if w := &s.windows[i]; len(w.text) > 0 && bytes.HasPrefix(rest, w.text) {
			return w.hour, rest[len(w.text):], true
		}
	}
	if !hasPrefix(rest, beforeStart) {
		return 0, nil, false
	}
	start, after, ok := plainText(rest[len(beforeStart):], beforeEnd)
	if !ok {
		return 0, nil, false
	}
	end, after, ok := plainText(after, beforeInstance)
	if !ok {
		return 0, nil, false
	}
	hour, rejection := parseWindow(string(start), string(end), s.reported)
	if rejection != nil {
		return 0, nil, false
	}
	if text := rest[:len(rest)-len(after)]; len(text) <= maxWindow {
		s.windows[s.oldest] = window{bytes.Clone(text), hour}
		s.oldest = (s.oldest + 1) % len(s.windows)
	}
	return hour, after, true
}

// scanQuantity reads the number of a row that counts.
func scanQuantity(text []byte) (Quantity, bool) {
	q, err := parseQuantity(text)
	return q, err == nil && q.Sign() >= 0
}

// plainText is the beginning of rest up to a quote, and what comes after it; next begins with
// that quote and must follow.
func plainText(rest []byte, next string) (text, after []byte, ok bool) {
	end := bytes.IndexByte(rest, '"')
	if end < 0 || !hasPrefix(rest[end:], next) || !isPlain(rest[:end]) {
		return nil, nil, false
	}
	return rest[:end], rest[end+len(next):], true
}

// lastPlainText is the end of rest after a quote, and what comes before it; before ends with that
// quote. The text probably has the given length, which saves the search.
func lastPlainText(rest []byte, before string, length int) (text, head []byte, ok bool) {
	start := len(rest) - length
	if start < 1 || rest[start-1] != '"' || bytes.IndexByte(rest[start:], '"') >= 0 {
		start = bytes.LastIndexByte(rest, '"') + 1
	}
	if !hasSuffix(rest[:start], before) || !isPlain(rest[start:]) {
		return nil, nil, false
	}
	return rest[start:], rest[:start-len(before)], true
}

// isPlain reports whether all bytes are printable ASCII other than the backslash, so that text,
// which holds no quote, is the text of a JSON string as it stands.
func isPlain(text []byte) bool {
	var odd uint64
	rest := text
	for ; len(rest) >= 8; rest = rest[8:] {
		odd |= oddBytes(binary.LittleEndian.Uint64(rest))
	}
	if len(rest) > 0 && len(text) >= 8 {
		odd |= oddBytes(binary.LittleEndian.Uint64(text[len(text)-8:])) // some of them again
	} else {
		for _, c := range rest {
			odd |= oddBytes(spaces&^0xff | uint64(c))
		}
	}
	return odd&highs == 0
}

const (
	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	spaces = ' ' * ones
)

// oddBytes has the high bit of a byte set if one of eight bytes is beyond ASCII, a control
// character or a backslash. Each summand says so of the lowest byte that is the first of its
// kind; only above that byte a carry may have it say more.
func oddBytes(eight uint64) uint64 {
	return eight | (eight + ones) | (eight - spaces) | ((eight ^ '\\'*ones) - ones)
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

func hasSuffix(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && string(b[len(b)-len(suffix):]) == suffix
}
