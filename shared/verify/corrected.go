package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"stackusage/shared/table"
)

// checkCorrected holds a corrected blob against the landed one that it names, and
// against the file whose place it was made to take. others are the files of its hour.
func (l *look) checkCorrected(f *file, others []*file) {
	root, wrong := f.text("original"), "no other file is of the blob that it corrects"
	for _, o := range others {
		if !o.corrected && o.sha16 == root {
			l.same(f.where, props{"corrects.original": f.Corrects.Original, "corrects.blob": f.Corrects.Blob, "records": f.records, "originalRowSetHash": f.text("originalRowSetHash")},
				props{"corrects.original": o.sha256, "corrects.blob": o.path, "records": o.records, "originalRowSetHash": o.rowSet})
		}
		if o != f && (o.sha16 == root || o.text("original") == root) && wrong != "" {
			wrong = l.correction(o, f)
		}
	}
	l.check(wrong == "", f.where, "%s", wrong)
}

// rowSums are the hashes of a row in two files, and whether the first one rejected it.
type rowSums struct {
	Was, Is  []byte
	Rejected bool
}

func (s rowSums) add(t rowSums) rowSums {
	return rowSums{append(s.Was, t.Was...), append(s.Is, t.Is...), s.Rejected || t.Rejected}
}

// correction says why a blob does not correct a file; empty: it does. Each row is that
// of the file, unless it was rejected there and counts now; and the decision is the
// hash of the file, of the rows that an operator gave, and of the lines that do not
// count. He gave all that count now, or none: then they count as they came.
func (l *look) correction(from, to *file) (wrong string) {
	rows := &sorter[rowSums]{dir: l.o.TempDir}
	defer rows.close()
	for f, sums := range map[*file]func([]byte) rowSums{from: func(b []byte) rowSums { return rowSums{Was: b} }, to: func(b []byte) rowSums { return rowSums{Is: b} }} {
		body := l.openHour(f)
		newSource(body).lines(func(t textLine) string {
			if t.n > 0 && !t.last {
				rows.put(fmt.Sprintf("%010d", t.n), sums(bytes.Clone(t.sum[:])), 0)
			}
			return ""
		})
		body.Close()
	}
	for r := range l.list(table.Quarantine, l.partition(), from.Key) {
		if !to.Corrects.leavesOut(r.count("line")) {
			rows.put(r.Key[strings.LastIndex(r.Key, "_")+1:], rowSums{Rejected: true}, 0)
		}
	}
	given, asTheyCame, same := sha256.New(), sha256.New(), true
	both := io.MultiWriter(given, asTheyCame)
	fmt.Fprintf(both, "%s\n", from.sha256)
	for line, row := range rows.all() {
		if row.Rejected {
			fmt.Fprintf(given, "%s %x\n", strings.TrimLeft(line, "0"), row.Is)
			same = same && bytes.Equal(row.Was, row.Is)
		} else if wrong == "" && !bytes.Equal(row.Was, row.Is) {
			wrong = fmt.Sprintf("line %s is not that of %s, where it was not rejected", line, from.path)
		}
	}
	for _, lines := range to.Corrects.Rejected {
		fmt.Fprintf(both, "%d-%d\n", lines[0], lines[1])
	}
	decision := []byte(to.Corrects.Decision)
	if wrong == "" && fmt.Sprintf("%x", given.Sum(nil)[:8]) != string(decision) && (!same || fmt.Sprintf("%x", asTheyCame.Sum(nil)[:8]) != string(decision)) {
		wrong = fmt.Sprintf("corrects.decision is %q, which is not that of its rows in the place of those of %s", decision, from.path)
	}
	return wrong
}
