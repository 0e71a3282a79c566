package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// dayID is a usage day of one registration.
type dayID struct {
	cloudID string
	day     usage.Day
}

func (d dayID) partition() string { return dayPartition(d.cloudID, d.day) }

// days checks every usage day that any table knows.
func (v *verifier) days(ctx context.Context) error {
	found := map[dayID]bool{}
	for _, name := range []string{table.UsageDays, table.OpenDays, table.DayInputs, table.UsageBatches} {
		err := v.list(ctx, name, "", "", func(where string, row table.Row) (err error) {
			d := dayID{cloudID: row.Partition}
			if name == table.DayInputs || name == table.UsageBatches {
				d.cloudID, d.day, err = splitDay(row.Partition)
			} else {
				day, _, _ := strings.Cut(row.Key, "_")
				d.day, err = usage.ParseDay(day)
			}
			if err != nil {
				return v.differ(where, "%v", err)
			}
			if v.wants(d.cloudID, d.day) {
				found[d] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	sorted := slices.SortedFunc(maps.Keys(found), func(a, b dayID) int {
		return cmp.Or(cmp.Compare(a.cloudID, b.cloudID), cmp.Compare(a.day, b.day))
	})
	for _, d := range sorted {
		if err := v.twice(func() error { return v.day(ctx, d) }); err != nil {
			return err
		}
		v.report.Days++
		v.progress()
	}
	return nil
}

// dayState is what the tables say of a usage day.
type dayState struct {
	dayID
	inputs  map[string]dayInput   // by RowKey: <hour>_<sha16>
	carries map[string]carryState // by RowKey: carry_<day>_<revision>_<sha16>
	open    bool                  // the day has a mark in OpenDays
	stated  []statement           // in order of revision
	totals  usage.Quantity        // of the last daily file
	carried usage.Quantity        // by all revisions, to other days
	kept    usage.Quantity        // by the last one, since reporting is off or an operator settled it
	batches []batchState          // of all revisions, in order
}

type dayInput struct {
	DayInput
	verdict Verdict
}

// statement is one revision and the manifest that it names.
type statement struct {
	where string
	Revision
	manifest Manifest
	receipts []Source // of its batches, in order, as far as they are answered
}

// day checks one usage day. What it reads first is written last: an hour is
// committed after its day's mark, and a mark goes after the revision that has
// the hour. So an hour that counts here is in the last revision read below, or
// the mark is seen.
func (v *verifier) day(ctx context.Context, d dayID) error {
	s := dayState{dayID: d}
	before := len(v.report.Findings)
	err := v.readInputs(ctx, &s)
	if err == nil {
		s.open, err = v.marked(ctx, d.cloudID, d.day.Compact())
	}
	if err == nil {
		err = v.readRevisions(ctx, &s)
	}
	if err == nil {
		err = v.inputsStated(&s)
	}
	if err == nil {
		err = v.carriesStated(&s)
	}
	if err == nil {
		err = v.batchesStated(ctx, &s)
	}
	if err != nil {
		return err
	}
	for i := range s.stated {
		if err := v.readBatches(ctx, &s, i); err != nil {
			return err
		}
	}
	for i := range s.stated {
		v.report.Revisions++
		if err := v.settle(v.revision(ctx, &s, i)); err != nil {
			return err
		}
	}
	return v.answers(ctx, &s, before)
}

func (v *verifier) readInputs(ctx context.Context, s *dayState) error {
	s.inputs, s.carries = map[string]dayInput{}, map[string]carryState{}
	return v.list(ctx, table.DayInputs, s.partition(), "", func(where string, row table.Row) (err error) {
		if strings.HasPrefix(row.Key, carryPrefix) {
			return v.readCarry(ctx, s, where, row)
		}
		in := dayInput{DayInput: DayInput{CloudID: s.cloudID, Day: s.day}}
		if in.Hour, in.SHA16, err = splitInput(row.Key); err == nil {
			err = table.Decode(row.Props, &in.DayInput)
		}
		if err != nil {
			return v.differ(where, "%v", err)
		}
		h, err := v.ledger.Hour(ctx, HourID{s.cloudID, in.Hour, in.SHA16})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return err
		}
		in.verdict = h.Verdict
		s.inputs[row.Key] = in
		if in.verdict == Counted && !strings.Contains(h.UsageDays, s.day.Compact()) && !strings.Contains(h.UsageDays, "...") {
			return v.differ(where, "its hour counts and has no rows of the day: usageDays is %q", h.UsageDays)
		}
		return nil
	})
}

// marked reports whether OpenDays has a row.
func (v *verifier) marked(ctx context.Context, cloudID, key string) (bool, error) {
	_, err := v.ledger.Store.Get(ctx, table.OpenDays, cloudID, key)
	if errors.Is(err, table.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (v *verifier) readRevisions(ctx context.Context, s *dayState) error {
	return v.list(ctx, table.UsageDays, s.cloudID, s.day.Compact(), func(where string, row table.Row) error {
		st := statement{where: where}
		if err := table.Decode(row.Props, &st.Revision); err != nil {
			return v.differ(where, "%v", err)
		}
		if n := len(s.stated) + 1; row.Key != revisionKey(s.day, n) || st.Number != int64(n) {
			return v.differ(where, "revision is %d, must be %d: one after the other from 1", st.Number, n)
		}
		text, err := v.readFile(ctx, st.Manifest, "", maxVerifyManifest)
		if err == nil {
			if jsonErr := json.Unmarshal(text, &st.manifest); jsonErr != nil {
				err = damaged(st.Manifest, "%v", jsonErr)
			}
		}
		if err != nil {
			if err := v.settle(err); err != nil {
				return err
			}
			st.manifest = Manifest{Revision: -1} // nothing can be said of the revision
		}
		s.stated = append(s.stated, st)
		return nil
	})
}

// inputsStated: what counts is in the last revision, or the day is open; and
// what the last revision is made of counts.
func (v *verifier) inputsStated(s *dayState) error {
	in := map[string]bool{}
	if len(s.stated) > 0 {
		last := s.stated[len(s.stated)-1]
		if last.manifest.Revision < 0 {
			return nil
		}
		for _, input := range last.manifest.Inputs {
			key := inputKey(input)
			in[key] = true
			have, there := s.inputs[key]
			if there && have.verdict != Counted && !s.open {
				if err := v.differ(last.where, "input %s does not count: its verdict is %q", key, have.verdict); err != nil {
					return err
				}
			}
		}
	}
	if s.open {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(s.inputs)) {
		where := "DayInputs " + s.partition() + "/" + key
		var err error
		switch verdict := s.inputs[key].verdict; {
		case verdict == Counted && s.inputs[key].Rows == 0 && len(s.stated) == 0: // no hour of the day is expected: it is nothing
		case verdict == Counted && !in[key]:
			err = v.differ(where, "its hour counts, but is in no revision, and the day is not in OpenDays")
		case strings.Count(key, "_") == 2 && verdict == "": // of a redrive that came to nothing
		case verdict == "":
			err = v.differ(where, "its hour is not decided, and the day is not in OpenDays")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// batchesStated: no batch is of a revision that is not there.
func (v *verifier) batchesStated(ctx context.Context, s *dayState) error {
	return v.list(ctx, table.UsageBatches, s.partition(), "", func(where string, row table.Row) error {
		revision, _, _ := strings.Cut(row.Key, "_")
		if n, err := strconv.Atoi(revision); err != nil || n < 1 || n > len(s.stated) {
			return v.differ(where, "it is of a revision that UsageDays does not have")
		}
		return nil
	})
}

func inputKey(in daily.Input) string { return in.ReportedHour.Compact() + "_" + in.SHA16 }
