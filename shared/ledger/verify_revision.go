package ledger

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// revision checks the n-th statement of a day against what it was made from.
func (v *verifier) revision(ctx context.Context, s *dayState, n int) error {
	st := &s.stated[n]
	m := st.manifest
	if m.Revision < 0 {
		return nil
	}
	var before []Source
	if n > 0 {
		last := s.stated[n-1]
		before = append([]Source{{last.File, last.SHA256}}, last.receipts...)
	}
	if !slices.Equal(m.Before, before) {
		if err := v.differ(st.Manifest, "before lists %d files, which are not the daily file and the receipts of the revision before", len(m.Before)); err != nil {
			return err
		}
	}
	var inputs []DayInput
	for _, in := range m.Inputs {
		have, there := s.inputs[inputKey(in)]
		if !there {
			return damaged(st.Manifest, "input %s has no row in DayInputs", inputKey(in))
		}
		if in.Partial != have.Partial || in.SHA256 != have.SHA256 || in.Lines != have.Lines || in.Rows != have.Rows {
			return damaged(st.Manifest, "input %s is not what DayInputs says", inputKey(in))
		}
		inputs = append(inputs, have.DayInput)
	}
	carries, err := v.carriesOf(s, st)
	if err != nil {
		return err
	}
	for _, check := range []error{
		same(v, st.Manifest, "cloudId and usageDay", m.CloudID+" "+m.UsageDay.String(), s.cloudID+" "+s.day.String()),
		same(v, st.Manifest, "revision", int64(m.Revision), st.Number),
		same(v, st.where, "file", st.File, m.File), same(v, st.where, "sha256", st.SHA256, m.SHA256),
		same(v, st.where, "inputs", st.Inputs, InputList(inputs, carries...)), same(v, st.where, "inputCount", st.InputCount, int64(len(inputs)+len(carries))),
		same(v, st.where, "batches", st.Batches, int64(len(m.Batches))),
	} {
		if check != nil {
			return check
		}
	}
	return v.dailyFile(ctx, s, n)
}

func (v *verifier) dailyFile(ctx context.Context, s *dayState, n int) error {
	st := &s.stated[n]
	f, err := v.openFile(ctx, v.files.App, st.File)
	if err != nil {
		return err
	}
	defer f.close()
	day, err := daily.OpenDay(f)
	if err != nil {
		return f.blame(err)
	}
	if err := cmp.Or(v.dayHeader(s, st, day.Header()), v.carriedAway(ctx, s, st, day.Header())); err != nil {
		return err
	}
	sums, partials, err := v.merged(ctx, st.manifest.Inputs)
	defer closeFiles(partials)
	if err != nil {
		return err
	}
	head := day.Header()
	payer, split, err := v.payer(ctx, st)
	if err != nil {
		return err
	}
	r := restatement{v: v, st: st, path: st.File, model: string(head.BillingModel), carries: head.CarriedTo != 0, silent: head.Reporting == daily.ReportingOff,
		waives: head.Waived == daily.WaivedAll, payer: payer, split: split}
	carried, carriers, err := v.carriedInto(ctx, s, st.manifest.Carries)
	defer closeFiles(carriers)
	if err != nil {
		return err
	}
	r.carried, err = pull(carried)
	defer r.carried.stop()
	if err != nil {
		return err
	}
	r.sums, err = pull(sums)
	defer r.sums.stop()
	if err != nil {
		return err
	}
	standings, previous, err := v.standings(ctx, s, n)
	if previous != nil {
		defer previous.close()
	}
	if err != nil {
		return err
	}
	r.before, err = pull(standings)
	defer r.before.stop()
	if err != nil {
		return err
	}
	r.records, err = pull(v.batchRecords(ctx, st.manifest))
	defer r.records.stop()
	if err != nil {
		return err
	}
	for l, err := range blamed(f, day.Lines()) {
		if err == nil {
			err = r.line(l)
		}
		if err != nil {
			return err
		}
	}
	if err := cmp.Or(r.end(), f.finish(st.SHA256)); err != nil {
		return err
	}
	for i, p := range partials {
		if err := p.finish(st.manifest.Inputs[i].SHA256); err != nil {
			return err
		}
	}
	for i, f := range carriers {
		if err := f.finish(st.manifest.Carries[i].SHA256); err != nil {
			return err
		}
	}
	v.report.Records += r.count
	s.totals, s.carried, s.kept = r.totals, s.carried.Add(r.away), r.kept.Add(r.waived)
	return nil
}

func (v *verifier) dayHeader(s *dayState, st *statement, h daily.DayHeader) error {
	missing := make([]string, len(h.MissingHours))
	for i, hour := range h.MissingHours {
		missing[i] = hour.Compact()
	}
	if h.CloudID != s.cloudID || h.UsageDay != s.day || int64(h.Revision) != st.Number || !slices.Equal(h.Inputs, st.manifest.Inputs) || !slices.Equal(h.Carries, st.manifest.Carries) {
		return damaged(st.File, "it is of another day or revision, or has other inputs than its manifest")
	}
	return cmp.Or(
		same(v, st.where, "missingHours", st.MissingHours, strings.Join(missing, ",")),
		same(v, st.where, "complete", st.Complete, len(missing) == 0),
		same(v, st.where, "billingModel", st.BillingModel, string(h.BillingModel)),
		same(v, st.where, "billingSubscriptionId", st.BillingSubscriptionID, h.BillingSubscriptionID),
		same(v, st.where, "reporting", st.Reporting, h.Reporting),
	)
}

func closeFiles(files []*verifyFile) {
	for _, f := range files {
		f.close()
	}
}

// payer is who is charged by the settlement for usage of a stack subscription in
// normal form; nil where nothing is settled, and in a day of several parts.
func (v *verifier) payer(ctx context.Context, st *statement) (payer func(subscription string) string, split bool, err error) {
	if st.Settlement == "" {
		return nil, false, nil
	}
	text, err := v.readFile(ctx, st.Settlement, st.SettlementSHA256, maxVerifyManifest)
	if err != nil {
		return nil, false, err
	}
	settled, err := daily.DecodeSettlement(text)
	if err != nil {
		return nil, false, damaged(st.Settlement, "%v", err)
	}
	if len(settled.Parts) > 1 {
		return nil, true, nil
	}
	terms := daily.TermsOf(settled.Parts)[0]
	return func(subscription string) string {
		tenant := usage.NormalGUID(settled.Subscriptions[usage.DashedGUID(subscription)].Tenant)
		if tenant == "" || terms.Infrastructure[subscription] {
			return terms.BillingSubscriptionID
		}
		return cmp.Or(terms.Mapped[tenant], terms.BillingSubscriptionID)
	}, false, nil
}

// merged is the merge of partials. The files are the caller's to close, also
// after an error.
func (v *verifier) merged(ctx context.Context, inputs []daily.Input) (sums iter.Seq2[daily.Sum, error], files []*verifyFile, err error) {
	var sequences []iter.Seq2[daily.Sum, error]
	for _, in := range inputs {
		f, err := v.openFile(ctx, v.files.App, table.ContainerPartials+"/"+in.Partial)
		if err != nil {
			return nil, files, err
		}
		files = append(files, f)
		p, err := daily.OpenPartial(f)
		if err != nil {
			return nil, files, f.blame(err)
		}
		sequences = append(sequences, blamed(f, p.Sums()))
	}
	return daily.MergeKeys(sequences...), files, nil
}

// standings is what commerce accepted before the n-th statement: nothing before
// the first.
func (v *verifier) standings(ctx context.Context, s *dayState, n int) (iter.Seq2[daily.Standing, error], *verifyFile, error) {
	if n == 0 {
		return func(func(daily.Standing, error) bool) {}, nil, nil
	}
	last := s.stated[n-1]
	f, err := v.openFile(ctx, v.files.App, last.File)
	if err != nil {
		return nil, nil, err
	}
	day, err := daily.OpenDay(f)
	if err != nil {
		return nil, f, f.blame(err)
	}
	answers := func(yield func(daily.Answer, error) bool) {
		for _, source := range last.receipts {
			receipt, err := v.readReceipt(ctx, source)
			if err != nil {
				yield(daily.Answer{}, err)
				return
			}
			for _, a := range receipt.Answers {
				if !yield(daily.Answer{RecordID: a.RecordID, Stands: a.Stands, Quantity: a.Quantity, Waived: a.Waived}, nil) {
					return
				}
			}
		}
	}
	return blamed(f, day.Standings(answers)), f, nil
}
