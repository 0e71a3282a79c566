package verify

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"stackusage/shared/table"
)

// carry is a revision of another day whose differences the day takes in.
type carry struct {
	UsageDay string `json:"usageDay"`
	Revision int    `json:"revision"`
	File     string `json:"file"`
	SHA256   string `json:"sha256"`
}

// key is its RowKey in DayInputs.
func (c carry) key() string {
	return fmt.Sprintf("carry_%s_%04d_%.16s", strings.ReplaceAll(c.UsageDay, "-", ""), c.Revision, c.SHA256)
}

// revisionOf reads the row of the revision that a carry's key names.
func (l *look) revisionOf(key string) (table.Row, bool) {
	parts := strings.Split(key, "_") // carry_<day>_<revision>_<hash>
	if len(parts) != 4 {
		return table.Row{}, false
	}
	return l.get(table.UsageDays, l.cloudID, parts[1]+"_"+parts[2])
}

// checkCarry: a revision that the day takes something from is an input of the day,
// and was made for it.
func (l *look) checkCarry(manifest string, c carry) {
	row, ok := l.carries[c.key()]
	if !ok {
		damaged(manifest, "%s has no row in DayInputs", c.key())
	}
	l.columns(place(table.DayInputs, row), row.Props, table.Props{"file": c.File, "sha256": c.SHA256})
	from, _ := l.revisionOf(c.key())
	l.columns(place(table.UsageDays, from), from.Props, table.Props{"file": c.File, "sha256": c.SHA256, "carriedTo": l.day})
}

// checkCarriedTo: the day that a revision is carried to has it as an input, or what
// it carries would be billed nowhere.
func (l *look) checkCarriedTo(r *revision, lines int64) {
	if lines == 0 {
		return
	}
	partition, key := l.cloudID+"_"+r.carriedTo, carry{UsageDay: l.day, Revision: r.number, SHA256: r.SHA256}.key()
	if row, ok := l.get(table.DayInputs, partition, key); ok {
		l.sameProps(place(table.DayInputs, row), row.Props, table.Props{"file": r.File, "sha256": r.SHA256, "lines": lines, "reason": text(r.Props, "reason"), "by": text(r.Props, "by")})
	} else {
		l.differs("DayInputs "+partition+"/"+key, "the row is not there; %s carries %d lines", r.File, lines)
	}
}

// expectCarried takes in what other days carried into this one.
func (l *look) expectCarried(r *revision, to *sorter[item]) {
	for _, c := range r.Carries {
		var head struct{ CloudID, UsageDay, CarriedTo, Reason string }
		for d := range l.dayLines(c.File, c.SHA256, func(first bool, content []byte) {
			if first && (json.Unmarshal(content, &head) != nil || head.CloudID+head.UsageDay+head.CarriedTo != l.cloudID+c.UsageDay+dashedDay(l.day)) {
				damaged(c.File, "it is not the daily file of %s that is carried to the day", c.UsageDay)
			}
		}) {
			q, ok := new(big.Rat).SetString(d.Carried)
			if !ok {
				continue // it carries nothing
			}
			i := item{Of: ofCarry, line: d.line(), Quantity: q, Hours: setOf(d.Hours), Reason: head.Reason}
			if i.Carried == "" {
				i.Carried = strings.ReplaceAll(c.UsageDay, "-", "")
			}
			put(to, i)
		}
	}
}
