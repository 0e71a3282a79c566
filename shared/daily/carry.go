package daily

import (
	"iter"
	"slices"

	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// CarryInput is one revision of an earlier day whose differences another day
// states in its place.
type CarryInput struct {
	UsageDay usage.Day `json:"usageDay"`
	Revision int       `json:"revision"`
	File     string    `json:"file"` // the revision's daily file: container and name
	SHA256   string    `json:"sha256"`
}

// Carried is what an earlier day's revision carried away of one line.
// Line.CarriedFrom is the day of the usage, however often it was carried on.
type Carried struct {
	Line
	Hours    usage.HourSet // of the day of the usage
	Quantity usage.Quantity
	Reason   string // why it was carried
}

// Carried goes through what the revision carried away, in order of the key of
// usage. Within one key the order is the file's, in which the day's own lines
// stand before those that were carried into it.
func (d *DayFile) Carried() iter.Seq2[Carried, error] {
	return func(yield func(Carried, error) bool) {
		for l, err := range d.Lines() {
			if err == nil && l.Carried.Sign() == 0 {
				continue
			}
			c := Carried{Line: l.Line, Hours: l.Hours, Quantity: l.Carried, Reason: d.header.Reason}
			if c.CarriedFrom == 0 {
				c.CarriedFrom = d.header.UsageDay
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// MergeCarried goes through what several revisions carried into one day, in
// order of the key of usage and then of the revisions. It adds nothing up: a key
// has few lines, and who reads them brings them together by CarriedLines.
func MergeCarried(sequences ...iter.Seq2[Carried, error]) iter.Seq2[Carried, error] {
	return spill.Merge(sequences, func(a, b *Carried) int { return a.Shown.Key().Compare(b.Shown.Key()) }, nil)
}

// add reads what another revision carried of the same line. The record says
// why it was carried last.
func (c *Carried) add(d Carried) {
	c.Quantity = c.Quantity.Add(d.Quantity)
	c.Hours |= d.Hours
	c.Shown = c.Shown.Least(d.Shown)
	c.Reason = d.Reason
}

// CarriedLines adds up what was carried of one key of usage, line by line.
func CarriedLines(all []Carried) []Carried {
	var lines []Carried
	for _, c := range all {
		i := slices.IndexFunc(lines, func(l Carried) bool { return l.LineKey() == c.LineKey() })
		if i < 0 {
			lines = append(lines, c)
			continue
		}
		lines[i].add(c)
	}
	return lines
}
