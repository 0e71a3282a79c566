package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func ManifestOf(cloudID string, d usage.Day, batches int) daily.Manifest {
	m := daily.Manifest{CloudID: cloudID, UsageDay: d, Revision: 1, File: "daily/file"}
	for n := 1; n <= batches; n++ {
		m.Batches = append(m.Batches, daily.Batch{Number: n, Records: 2, SHA256: fmt.Sprint("hash ", n), Blob: fmt.Sprint("outbox/", n)})
	}
	return m
}

// Records are n daily records of one batch.
func Records(t testing.TB, d usage.Day, n int) []daily.Record {
	t.Helper()
	all := make([]daily.Record, n)
	for i := range all {
		q, err := usage.ParseQuantity(fmt.Sprintf("%d.5", i))
		OK(t, err)
		all[i] = daily.Record{
			RecordID: fmt.Sprintf("record-%04d", i), Kind: daily.Usage, Revision: 1, BillingModel: "PayAsYouUse",
			SubscriptionID: "09065051-cfe9-4fcf-b90c-87f2af292fc9", MeterID: "meter", MeterClass: "full", Quantity: q,
			UsageDate: d, UsageStart: d.Start(), UsageEnd: d.End(), Hours: usage.HourSet(0).With(0).With(18),
			Region: daily.Region, Location: daily.Location, ResourceURI: fmt.Sprint("/subscriptions/s/vm", i),
			Flags: []string{"a", "b"},
		}
	}
	return all
}

func Accept(records []daily.Record) map[string]outbox.Answer {
	answers := map[string]outbox.Answer{}
	for _, r := range records {
		answers[r.RecordID] = outbox.Answer{Status: "Accepted"}
	}
	return answers
}

// Close states a day with the inputs that count, as a closer does.
func Close(ctx context.Context, tables table.Store, c *daybook.Closing) error {
	return daybook.Commit(ctx, tables, c, daybook.Revision{
		Number: 1, Complete: true, Inputs: daybook.InputList(c.Counted), InputCount: int64(len(c.Counted)), Batches: 2,
		File: "daily/file", Manifest: "daily/manifest", BillingModel: "PayAsYouUse",
	})
}

func Because(reason string) reasoned.Decision {
	return reasoned.Decision{By: "olga", Reason: reason, At: Landed.Add(time.Hour)}
}

const (
	FileA = "aaaaaaaaaaaaaaaa"
	FileB = "bbbbbbbbbbbbbbbb"
	FileC = "cccccccccccccccc"
)

// CloseNext is one round of a closer that states what counts, at once.
func CloseNext(ctx context.Context, tables table.Store, cloudID string, d usage.Day) error {
	c, err := daybook.Begin(ctx, tables, cloudID, d)
	if errors.Is(err, daybook.ErrNotOpen) {
		return nil
	} else if err != nil {
		return err
	}
	if !c.UpToDate() && !c.Empty() || c.Request != nil {
		r := daybook.Revision{Number: 1, Inputs: daybook.InputList(c.Counted), InputCount: int64(len(c.Counted))}
		if c.Last != nil {
			r.Number = c.Last.Number + 1
		}
		if err := daybook.Commit(ctx, tables, c, c.Answer(r)); err != nil {
			return err
		}
	}
	_, err = daybook.Finish(ctx, tables, c)
	return err
}
