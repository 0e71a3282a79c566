package subscribers

import (
	"bytes"
	"strings"
	"time"

	"stackusage/shared/usage"
)

// oldestUsage is how long before its reported hour a row's usage may lie without
// a word in the log; the stack's own documentation speaks of several hours.
const oldestUsage = 31 * 24 * time.Hour

// Look is a glance at the rows of an hour as they pass: for the memory of
// subscriptions, and for a warning about usage hours that are not plausible. It
// changes no row, keeps none back and decides nothing; what a row means is
// validated on the Azure side. It finds fields by their text, as reading every row
// as JSON would cost as much as all the rest, and a field that it takes wrongly
// is one subscription too many in the memory.
type Look struct {
	Reported usage.Hour
	Known    *Known

	subscription []byte // of the row before; most rows repeat it
	start        []byte
	startIsOdd   bool
	Odd          int64  // rows
	Oddest       string // the first odd start
}

// Row looks at one row.
func (l *Look) Row(raw []byte) {
	if id := textAfter(raw, `"subscriptionId"`); len(id) == 36 && !bytes.Equal(id, l.subscription) {
		l.subscription = append(l.subscription[:0], id...)
		if text := strings.ToLower(string(id)); usage.CheckGUID(text) == nil {
			l.Known.Add(usage.DashedGUID(text), l.Reported)
		}
	}
	if start := textAfter(raw, `"usageStartTime"`); start == nil || !bytes.Equal(start, l.start) {
		l.start = append(l.start[:0], start...)
		at, err := time.Parse(time.RFC3339, string(start))
		l.startIsOdd = err != nil || !at.Before(l.Reported.End()) || at.Before(l.Reported.Start().Add(-oldestUsage))
	}
	if l.startIsOdd {
		if l.Odd++; l.Odd == 1 {
			l.Oddest = string(l.start[:min(len(l.start), 40)])
		}
	}
}

// textAfter is the JSON text that follows a name, nil if none does.
func textAfter(raw []byte, name string) []byte {
	i := bytes.Index(raw, []byte(name))
	if i < 0 {
		return nil
	}
	rest := bytes.TrimLeft(raw[i+len(name):], " \t:")
	if len(rest) == 0 || rest[0] != '"' {
		return nil
	}
	end := bytes.IndexByte(rest[1:], '"')
	if end < 0 {
		return nil
	}
	return rest[1 : 1+end]
}
