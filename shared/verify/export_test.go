package verify

import (
	"context"
	"io"

	"stackusage/shared/table"
)

// Doors for tests that hold the readers against those of the pipeline.

// ReadRow reads one row.
func ReadRow(text []byte, reported int64) (shown [6]string, at int64, quantity, code string) {
	u, code := readRow(text, hour(reported))
	if code != "" {
		return shown, 0, "", code
	}
	return [6]string{u.SubscriptionID, u.ResourceURI, u.MeterID, u.Location, u.Tags, u.AdditionalInfo}, int64(u.Hour), u.Quantity, ""
}

// ReadHour reads an hour blob.
func ReadHour(r io.Reader, cloudID string, reported int64, sha16 string) (code, rowSet string, rows int64, err error) {
	defer func() {
		if f, is := recover().(failure); is {
			err = f.error
		}
	}()
	f := &file{cloudID: cloudID, hour: hour(reported), sha16: sha16}
	f.read(r, func(textLine) {})
	return f.code, f.rowSet, f.records, err
}

// SortTexts sorts texts as if each had so many bytes.
func SortTexts(dir string, texts []string, size int) (sorted []string, files int) {
	s := &sorter[joined]{dir: dir}
	defer s.close()
	for _, text := range texts {
		s.put(keyOf(text), joined{text}, size)
	}
	for range 2 { // it may be read again
		sorted = nil
		for _, all := range s.all() {
			sorted = append(sorted, all...)
		}
	}
	return sorted, len(s.files)
}

type joined []string

func (j joined) Add(k joined) joined { return append(j, k...) }

// MaxMemory is what a sorter holds.
const MaxMemory = maxMemory

// Seen says what waits for an operator of a usage day whose headers have these lists
// of infrastructure subscriptions.
func Seen(ctx context.Context, tables Tables, cloudID, day string, lists ...[]string) (open []Finding) {
	a := &auditor{Stores: Stores{Tables: tables}, ctx: ctx}
	l := &look{auditor: a, dayID: dayID{cloudID, day}, book: a.book(cloudID)}
	for _, list := range lists {
		l.settled.Seen = append(l.settled.Seen, seenList{list, hashOf(list), ""})
	}
	l.checkConfirmed("UsageDays")
	return l.out.Open
}

// Standing checks the last revision of a usage day, of which commerce accepted less
// than a line states, after between: the row of OpenDays has been read before.
func Standing(ctx context.Context, tables Tables, cloudID, day string, between func()) (found Day) {
	l := &look{auditor: &auditor{Stores: Stores{Tables: tables}, ctx: ctx, o: Options{Limit: 1}}, dayID: dayID{cloudID, day},
		standing: &sorter[item]{}}
	l.standing.put("a line", item{Stated: "1"}, 0)
	defer l.standing.close()
	l.mark = l.get(table.OpenDays, cloudID, day)
	between()
	l.checkStanding(&revision{row: l.get(table.UsageDays, cloudID, day+"_0001")})
	return l.out
}
