package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/hourlog"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

// readHours reads every blob that counts and has rows reported on the days, or
// used on them; and says of each reported hour of the days what is odd.
func (r *run) readHours(ctx context.Context) error {
	count := map[hourlog.ID]hourlog.Hour{}
	odd := map[usage.Hour][]string{} // what else landed for an hour
	for h, err := range hourlog.Between(ctx, r.Tables, r.o.CloudID, r.o.From, r.o.To) {
		if err != nil {
			return err
		}
		switch {
		case h.Verdict == hourlog.Accepted:
			r.counting[h.ID.Hour], count[h.ID] = landedOf(h.ID, h.Hour), h.Hour
		case h.TakesOver():
			odd[h.ID.Hour] = append(odd[h.ID.Hour], "file "+h.ID.SHA16+" will replace the accepted one")
		case h.Verdict == hourlog.Excluded:
			odd[h.ID.Hour] = append(odd[h.ID.Hour], "file "+h.ID.SHA16+" is excluded by an operator's decision")
		case h.Verdict == hourlog.Rejected:
			odd[h.ID.Hour] = append(odd[h.ID.Hour], "a file is rejected, "+h.Code)
		case h.Verdict == hourlog.Unregistered:
			odd[h.ID.Hour] = append(odd[h.ID.Hour], "landed, and waits for its registration")
		case h.Verdict == hourlog.Conflict:
			odd[h.ID.Hour] = append(odd[h.ID.Hour], "file "+h.ID.SHA16+" is in conflict and not accepted (stackusage hour resolve)")
		}
	}
	for day := r.o.From; day <= r.o.To; day = day.Next() {
		inputs, err := outbox.AcceptedInputs(ctx, r.Tables, r.o.CloudID, day)
		if err != nil {
			return err
		}
		for _, in := range inputs {
			id := hourlog.ID{CloudID: r.o.CloudID, Hour: in.Hour, SHA16: in.SHA16}
			if _, there := count[id]; there {
				continue
			}
			if count[id], err = hourlog.Read(ctx, r.Tables, id); err != nil {
				return err
			}
		}
	}
	r.noteHours(odd)
	ids := slices.SortedFunc(maps.Keys(count), func(a, b hourlog.ID) int {
		return cmp.Or(cmp.Compare(a.Hour, b.Hour), strings.Compare(a.SHA16, b.SHA16))
	})
	r.progress.Of = len(ids)
	for _, id := range ids {
		sums, err := r.blob(ctx, id, count[id])
		if err != nil {
			return fmt.Errorf("reported hour %s: %w", id.Hour, err)
		}
		if err := r.enterBlob(ctx, id, count[id], sums); err != nil {
			return fmt.Errorf("reported hour %s: %w", id.Hour, err)
		}
		r.progress.Hours++
		r.tell()
	}
	return nil
}

// noFile begins the note of an hour of which the stack's number is not known.
const noFile = "no file is accepted: "

// noteHours notes which reported hours of the days need a word, the same of
// several hours in a row once.
func (r *run) noteHours(odd map[usage.Hour][]string) {
	for hour := r.o.From.First(); hour < r.o.To.Next().First(); hour++ {
		what := strings.Join(odd[hour], "; ")
		if _, counts := r.counting[hour]; !counts {
			what = noFile + cmp.Or(what, "nothing landed")
		}
		if what == "" {
			continue
		}
		if n := len(r.hours); n > 0 && r.hours[n-1].Last == hour-1 && r.hours[n-1].What == what {
			r.hours[n-1].Last = hour
			continue
		}
		r.hours = append(r.hours, HourNote{hour, hour, what})
	}
}

// whyOut is why no file counts for a reported hour; "" if one does.
func (r *run) whyOut(hour usage.Hour) string {
	for _, n := range r.hours {
		if text, out := strings.CutPrefix(n.What, noFile); out && n.First <= hour && hour <= n.Last {
			return text
		}
	}
	return ""
}

// landedOf is the file of the stack's own that a file has its lines from.
func landedOf(id hourlog.ID, h hourlog.Hour) hourlog.ID {
	id.SHA16 = cmp.Or(h.Original, id.SHA16)
	return id
}

// enterBlob enters the sums of a blob; of a corrected blob those of the original, which
// is what the stack reported, and how much more or less it counts.
func (r *run) enterBlob(ctx context.Context, id hourlog.ID, h hourlog.Hour, sums *blobSums) error {
	first := landedOf(id, h)
	if first == id {
		r.enterSums(id, sums)
		return nil
	}
	original, err := hourlog.Read(ctx, r.Tables, first)
	if err != nil {
		return err
	}
	reported, err := r.blob(ctx, first, original)
	if err != nil {
		return err
	}
	r.enterSums(first, reported)
	redriven := func(counted map[meterKey]map[usage.Hour]usage.Quantity, as func(usage.Quantity) usage.Quantity) {
		for key, byHour := range counted {
			for used, q := range byHour {
				r.books.enter(key, used.Day(), Redriven, "", as(q))
			}
		}
	}
	redriven(sums.counted, func(q usage.Quantity) usage.Quantity { return q })
	redriven(reported.counted, neg)
	return nil
}

func (r *run) enterSums(id hourlog.ID, sums *blobSums) {
	if r.within(id.Hour.Day()) && sums.unreadable > 0 {
		r.note("reported hour %s: %d rejected rows have no meter or no quantity that can be read; neither number includes them", id.Hour.String(), sums.unreadable)
	}
	for key, byHour := range sums.counted {
		b := r.books.of(key)
		for used, q := range byHour {
			add(b.stack, id.Hour, q)
			add(b.counted, delay{used, id.Hour}, q)
		}
	}
	for key, byCode := range sums.refused {
		for code, q := range byCode {
			add(r.books.of(key).stack, id.Hour, q)
			r.books.enter(key, id.Hour.Day(), Quarantined, code, neg(q))
		}
	}
}
