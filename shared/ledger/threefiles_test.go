package ledger_test

import (
	"context"

	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// threeFiles are the steps about one hour with three files: A has rows of the usage day
// and the next, B and C of the day.
type threeFiles struct {
	l       *ledger.Ledger
	cloudID string
	day     usage.Day
}

func (f threeFiles) days(sha16 string) []usage.Day {
	if sha16 == fileA {
		return []usage.Day{f.day, f.day + 1}
	}
	return []usage.Day{f.day}
}

// step does something with a file.
func (f threeFiles) step(sha16 string, do func(ctx context.Context, id ledger.HourID, h ledger.Hour) error) func(context.Context) error {
	id, h := blobOf(f.cloudID, f.day.First()+19, sha16)
	h.UsageDays = daysText(f.days(sha16))
	return func(ctx context.Context) error { return do(ctx, id, h) }
}

func (f threeFiles) land(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id ledger.HourID, h ledger.Hour) error {
		_, err := commit(ctx, f.l, id, h, f.days(sha16)...)
		return err
	})
}

func (f threeFiles) ask(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id ledger.HourID, _ ledger.Hour) error {
		_, err := f.l.AskTakeOver(ctx, id, because(sha16+" is right"))
		return err
	})
}

func (f threeFiles) take(sha16 string) func(context.Context) error {
	return f.step(sha16, func(ctx context.Context, id ledger.HourID, h ledger.Hour) error {
		_, err := takeOver(ctx, f.l, id, h, f.days(sha16)...)
		return err
	})
}

func (f threeFiles) close(ctx context.Context) error {
	return stateNext(ctx, f.l, f.cloudID, f.day)
}
