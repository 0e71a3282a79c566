package hourlog_test

import (
	"context"

	"stackusage/internal/ledgertest"
	"stackusage/shared/hourlog"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// threeFiles are the steps about one hour with three files: A has rows of the usage day
// and the next, B and C of the day.
type threeFiles struct {
	l       table.Store
	cloudID string
	day     usage.Day
}

func (f threeFiles) days(sha16 string) []usage.Day {
	if sha16 == ledgertest.FileA {
		return []usage.Day{f.day, f.day + 1}
	}
	return []usage.Day{f.day}
}

// step does something with a file.
func (f threeFiles) step(sha16 string, do func(ctx context.Context, id hourlog.ID, h hourlog.Hour) error) func(context.Context) error {
	id, h := ledgertest.BlobOf(f.cloudID, f.day.First()+19, sha16)
	h.UsageDays = daysText(f.days(sha16))
	return func(ctx context.Context) error { return do(ctx, id, h) }
}

func (f threeFiles) land(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id hourlog.ID, h hourlog.Hour) error {
		_, err := ledgertest.Commit(ctx, f.l, id, h, f.days(sha16)...)
		return err
	})
}

func (f threeFiles) ask(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id hourlog.ID, _ hourlog.Hour) error {
		_, err := hourlog.AskTakeOver(ctx, f.l, id, ledgertest.Because(sha16+" is right"))
		return err
	})
}

func (f threeFiles) take(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id hourlog.ID, h hourlog.Hour) error {
		_, err := takeOver(ctx, f.l, id, h, f.days(sha16)...)
		return err
	})
}

func (f threeFiles) close(ctx context.Context) error {
	return ledgertest.CloseNext(ctx, f.l, f.cloudID, f.day)
}
