package ledger

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// carryState is a carry into a day, and what its revision says of it.
type carryState struct {
	Carry
	counts, pending bool
}

// readCarry judges a row of DayInputs that names another day's revision.
func (v *verifier) readCarry(ctx context.Context, s *dayState, where string, row table.Row) error {
	c, err := carryOf(s.cloudID, s.day, row)
	if err != nil {
		return v.differ(where, "%v", err)
	}
	state := carryState{Carry: c}
	state.counts, state.pending, err = v.ledger.carryVerdict(ctx, c)
	if err != nil {
		return err
	}
	s.carries[row.Key] = state
	if state.counts || state.pending {
		return nil
	}
	// Another closer's file became the revision, or this one was never meant for
	// the day: the file's header names the day, and so does the revision.
	r, err := v.revisionRow(ctx, c)
	if err == nil && r.SHA256 == c.SHA256 {
		err = v.differ(where, "revision %d of %s is carried to %q with file %s, not into this day with %s", c.Revision, c.From, r.CarriedTo, r.File, c.File)
	}
	return err
}

func (v *verifier) revisionRow(ctx context.Context, c Carry) (r Revision, err error) {
	row, err := v.ledger.Store.Get(ctx, table.UsageDays, c.CloudID, revisionKey(c.From, c.Revision))
	if err == nil {
		err = table.Decode(row.Props, &r)
	}
	return r, err
}

// carriesStated: what is carried into the day is in its last revision, or the
// day is open.
func (v *verifier) carriesStated(s *dayState) error {
	if s.open {
		return nil
	}
	in := map[daily.CarryInput]bool{}
	if len(s.stated) > 0 {
		last := s.stated[len(s.stated)-1]
		if last.manifest.Revision < 0 {
			return nil
		}
		for _, c := range last.manifest.Carries {
			in[c] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.carries)) {
		c := s.carries[key]
		where := "DayInputs " + s.partition() + "/" + key
		var err error
		switch {
		case c.pending:
			err = v.differ(where, "its revision is not there, and the day is not in OpenDays")
		case c.counts && !in[c.Input()]:
			err = v.differ(where, "its revision is there, but it is in no revision of the day, and the day is not in OpenDays")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// carriesOf finds the rows of DayInputs behind a revision's list, each of which
// must count.
func (v *verifier) carriesOf(s *dayState, st *statement) (carries []Carry, err error) {
	for _, in := range st.manifest.Carries {
		c := Carry{CloudID: s.cloudID, To: s.day, From: in.UsageDay, Revision: in.Revision, SHA16: in.SHA256[:min(16, len(in.SHA256))]}
		have, there := s.carries[c.key()]
		switch {
		case !there:
			return nil, damaged(st.Manifest, "%s has no row in DayInputs", c.key())
		case have.Input() != in:
			return nil, damaged(st.Manifest, "%s is not what DayInputs says", c.key())
		case !have.counts:
			return nil, damaged(st.Manifest, "%s does not count: UsageDays has no such revision that is carried to %s", c.key(), s.day)
		}
		carries = append(carries, have.Carry)
	}
	return carries, nil
}

// carriedAway: a revision that carries is an input of the day that it names, or
// what it carries would be stated nowhere.
func (v *verifier) carriedAway(ctx context.Context, s *dayState, st *statement, h daily.DayHeader) error {
	to := ""
	if h.CarriedTo != 0 {
		to = h.CarriedTo.Compact()
	}
	reason := "" // the header has one only where it goes into records
	if to != "" {
		reason = st.Reason
	}
	if err := cmp.Or(same(v, st.where, "carriedTo", st.CarriedTo, to), same(v, st.File, "reason", h.Reason, reason)); err != nil {
		return err
	}
	if st.Carried == 0 || to == "" {
		return nil
	}
	c := Carry{CloudID: s.cloudID, To: h.CarriedTo, From: s.day, Revision: int(st.Number), SHA16: st.SHA256[:min(16, len(st.SHA256))]}
	row, err := v.ledger.Store.Get(ctx, table.DayInputs, dayPartition(s.cloudID, h.CarriedTo), c.key())
	where := "DayInputs " + dayPartition(s.cloudID, h.CarriedTo) + "/" + c.key()
	if errors.Is(err, table.ErrNotFound) {
		return v.differ(where, "the row is not there; %s carries %d lines", st.File, st.Carried)
	} else if err != nil {
		return err
	}
	have, err := carryOf(s.cloudID, h.CarriedTo, row)
	if err != nil {
		return v.differ(where, "%v", err)
	}
	return cmp.Or(same(v, where, "file", have.File, st.File), same(v, where, "sha256", have.SHA256, st.SHA256), same(v, where, "lines", have.Lines, st.Carried),
		same(v, where, "reason", have.Reason, st.Reason), same(v, where, "by", have.By, st.By))
}

// carriedInto is what other days' revisions carried into one. The files are the
// caller's to close, also after an error.
func (v *verifier) carriedInto(ctx context.Context, s *dayState, inputs []daily.CarryInput) (iter.Seq2[daily.Carried, error], []*verifyFile, error) {
	var files []*verifyFile
	var sequences []iter.Seq2[daily.Carried, error]
	for _, in := range inputs {
		f, err := v.openFile(ctx, v.files.App, in.File)
		if err != nil {
			return nil, files, err
		}
		files = append(files, f)
		day, err := daily.OpenDay(f)
		if err != nil {
			return nil, files, f.blame(err)
		}
		if h := day.Header(); h.CloudID != s.cloudID || h.UsageDay != in.UsageDay || h.Revision != in.Revision || h.CarriedTo != s.day {
			return nil, files, damaged(in.File, "it is revision %d of %s, carried to %s", h.Revision, h.UsageDay, h.CarriedTo)
		}
		sequences = append(sequences, blamed(f, day.Carried()))
	}
	return daily.MergeCarried(sequences...), files, nil
}

// carriedLine: a carried line is exactly what the revisions carried of it, and every
// line that they carried is there. It says why the line was carried last.
func (r *restatement) carriedLine(l daily.DayLine, key lineKey) (reason string, err error) {
	if err := r.carriedUntil(key.Key); err != nil || l.CarriedFrom == 0 {
		return "", err
	}
	i := slices.IndexFunc(r.group, func(c daily.Carried) bool { return lineKeyOf(c.Line) == key })
	if i < 0 {
		return "", damaged(r.where(), "total is %s, carried from %s; no revision carries such a line here", l.Total, l.CarriedFrom)
	}
	c := r.group[i]
	r.group = slices.Delete(r.group, i, i+1)
	if !c.Quantity.Equal(l.Total) || c.Hours != l.Hours || c.Shown != l.Shown || c.BillingModel != l.BillingModel || l.Rows != 0 {
		return "", damaged(r.where(), "total is %s, carried from %s; the revisions carry %s", l.Total, l.CarriedFrom, c.Quantity)
	}
	return c.Reason, nil
}

// carriedUntil gathers what was carried of a key of usage when the file comes to
// it. Nothing may be left of the keys before.
func (r *restatement) carriedUntil(key usage.Key) error {
	if key == r.groupKey && r.number > 1 {
		return nil
	}
	if err := r.carriedLeft(); err != nil {
		return err
	}
	r.groupKey = key
	if r.carried.more && r.carried.head.Shown.Key().Compare(key) < 0 {
		return damaged(r.where(), "before it must come %s, carried from %s", r.carried.head.Quantity, r.carried.head.CarriedFrom)
	}
	var all []daily.Carried
	for r.carried.more && r.carried.head.Shown.Key() == key {
		all = append(all, r.carried.head)
		if err := r.carried.advance(); err != nil {
			return err
		}
	}
	r.group = daily.CarriedLines(all)
	return nil
}

func (r *restatement) carriedLeft() error {
	if len(r.group) > 0 {
		return damaged(r.path, "it has no line of %s, carried from %s on meter %s", r.group[0].Quantity, r.group[0].CarriedFrom, r.group[0].MeterID)
	}
	return nil
}
