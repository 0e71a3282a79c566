package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// answers compares what commerce said with UsageBatches and DailyUsage, and
// what it accepted in all with what the day comes to.
func (v *verifier) answers(ctx context.Context, s *dayState, before int) error {
	var accepted, short usage.Quantity // short: what the last revision states and does not stand
	known := map[[2]int64]*rowSets{}   // by revision and batch; nil: not to be compared
	settled := true
	for _, b := range s.batches {
		number := [2]int64{int64(b.id.Revision), int64(b.id.Number)}
		known[number] = nil
		if b.row.State != BatchAnswered {
			v.report.Unsettled += b.row.Records
			settled = false
			continue
		}
		a, err := v.readAnswered(ctx, b)
		if err == nil {
			err = v.tallied(b, a.receipt)
		}
		if err != nil {
			if err := v.settle(err); err != nil {
				return err
			}
			continue // its rows of DailyUsage are compared with nothing
		}
		known[number] = new(rowSets)
		rows, err := a.rows(ctx, b.id)
		if err != nil {
			return err
		}
		for _, row := range rows {
			known[number].want.add(row)
		}
		for i, answer := range a.receipt.Answers {
			accepted = accepted.Add(answer.Quantity)
			if b.id.Revision == len(s.stated) {
				short = short.Add(a.records[i].Quantity.Sub(answer.Quantity))
			}
		}
	}
	err := v.list(ctx, table.DailyUsage, s.partition(), "", func(where string, row table.Row) error {
		number := numberOf(row)
		if number[0] > int64(len(s.stated)) {
			return nil // stated since the revisions were read
		}
		compared, listed := known[number]
		if !listed && !s.open {
			return v.differ(where, "it is of batch %d of revision %d, which is not there", number[1], number[0])
		}
		if compared != nil {
			compared.got.add(row)
		}
		return nil
	})
	if err == nil {
		err = v.nameAnswers(ctx, s, known)
	}
	if err != nil {
		return err
	}
	if settled && !s.open && len(v.report.Findings) == before {
		return same(v, "UsageDays "+s.cloudID+"/"+s.day.Compact()+"_*", "the sum of what commerce accepted and what was carried, with what it refused last and what is not reported,",
			accepted.Add(s.carried).Add(short).Add(s.kept).String(), s.totals.String())
	}
	return nil
}

// tallied compares the counts of a batch with its receipt.
func (v *verifier) tallied(b batchState, receipt Receipt) error {
	n := map[string]int64{}
	for _, a := range receipt.Answers {
		n[a.Status]++
	}
	v.report.Answers += int64(len(receipt.Answers))
	v.report.Refused += n["Conflict"] + n["Rejected"] + n["Expired"]
	where := "UsageBatches " + b.id.partition() + "/" + b.id.key()
	return cmp.Or(same(v, where, "accepted", b.row.Accepted, n["Accepted"]), same(v, where, "duplicate", b.row.Duplicate, n["Duplicate"]),
		same(v, where, "conflict", b.row.Conflict, n["Conflict"]), same(v, where, "rejected", b.row.Rejected, n["Rejected"]),
		same(v, where, "expired", b.row.Expired, n["Expired"]))
}

// rows is what DailyUsage must hold of an answered batch: what PutAnswers
// writes.
func (a answered) rows(ctx context.Context, id BatchID) ([]table.Row, error) {
	answers := make(map[string]Answer, len(a.records))
	for _, r := range a.receipt.Answers {
		answer := Answer{Status: r.Status}
		if r.Status == "Conflict" {
			answer.Quantity = r.Quantity.String()
		}
		answers[r.RecordID] = answer
	}
	var c capture
	err := (&Ledger{Store: &c}).PutAnswers(ctx, id, a.records, answers)
	return c.rows, err
}

// capture keeps the rows that would be written.
type capture struct {
	table.Store
	rows []table.Row
}

func (c *capture) Apply(_ context.Context, _, _ string, ops ...table.Op) error {
	for _, op := range ops {
		c.rows = append(c.rows, op.Row)
	}
	return nil
}

// answerColumns are those columns of DailyUsage that are compared.
var answerColumns = []string{"recordId", "kind", "corrects", "carriedFrom", "reason", "revision", "batch", "billingModel", "billingSubscriptionId",
	"subscriptionId", "meterId", "quantity", "usageStart", "usageEnd", "resourceUri"}

// answerTexts is what is compared of a row, column by column. A record's first
// final answer stays in the table, and the receipt has the last one: Accepted
// and then Duplicate are the same.
func answerTexts(row table.Row) []string {
	texts := make([]string, 0, len(answerColumns)+1)
	for _, name := range answerColumns {
		texts = append(texts, fmt.Sprintf("%s %v", name, row.Props[name]))
	}
	answer, _ := row.Props["answer"].(string)
	switch {
	case answer == "Duplicate":
		answer = "Accepted"
	case answer == "Conflict":
		answer = fmt.Sprint("Conflict with ", row.Props["storedQuantity"])
	case refused(answer):
		answer = "Rejected"
	}
	return append(texts, "answer "+answer)
}

// rowSet stands for a set of rows, in any order and of any size.
type rowSet struct {
	n   int64
	sum landing.RowSet
}

func (s *rowSet) add(row table.Row) {
	s.n++
	s.sum.Add(sha256.Sum256([]byte(row.Key + "\n" + strings.Join(answerTexts(row), "\n"))))
}

func numberOf(row table.Row) [2]int64 {
	revision, _ := row.Props["revision"].(int64)
	batch, _ := row.Props["batch"].(int64)
	return [2]int64{revision, batch}
}

// rowSets is what DailyUsage must hold of one batch, and what it holds.
type rowSets struct{ want, got rowSet }

func (r *rowSets) differ() bool { return r != nil && r.want != r.got }

// nameAnswers finds out which rows make a difference: one read for each record
// of a batch whose rows differ.
func (v *verifier) nameAnswers(ctx context.Context, s *dayState, known map[[2]int64]*rowSets) error {
	keys := map[string]bool{}
	differs := false
	for _, b := range s.batches {
		if !known[[2]int64{int64(b.id.Revision), int64(b.id.Number)}].differ() {
			continue
		}
		differs = true
		a, err := v.readAnswered(ctx, b)
		if err != nil {
			return v.settle(err)
		}
		rows, err := a.rows(ctx, b.id)
		if err != nil {
			return err
		}
		for _, want := range rows {
			keys[want.Key] = true
			if err := v.nameAnswer(ctx, want, b.row.Receipt); err != nil {
				return err
			}
		}
	}
	if !differs {
		return nil
	}
	return v.list(ctx, table.DailyUsage, s.partition(), "", func(where string, row table.Row) error {
		if known[numberOf(row)].differ() && !keys[row.Key] {
			return v.differ(where, "its batch has no such record")
		}
		return nil
	})
}

func (v *verifier) nameAnswer(ctx context.Context, want table.Row, receipt string) error {
	where := "DailyUsage " + want.Partition + "/" + want.Key
	got, err := v.ledger.Store.Get(ctx, table.DailyUsage, want.Partition, want.Key)
	if errors.Is(err, table.ErrNotFound) {
		return v.differ(where, "the row is not there; the answer is in %s", receipt)
	} else if err != nil {
		return err
	}
	texts := answerTexts(got)
	for i, text := range answerTexts(want) {
		if texts[i] != text {
			name, value, _ := strings.Cut(texts[i], " ")
			if err := v.differ(where, "%s is %s, must be %s", name, value, strings.TrimPrefix(text, name+" ")); err != nil {
				return err
			}
		}
	}
	return nil
}
