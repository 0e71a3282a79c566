package results

import (
	"context"
	"time"

	"stackusage/internal/devstack/balance"
	"stackusage/shared/azurestore"
	"stackusage/shared/content"
	"stackusage/shared/verify"
)

// Verify lets the product check itself: the balance compares both ends of the data flow, this
// compares every step between them. What it finds is added to the sheet.
func Verify(ctx context.Context, app, landed *azurestore.Account, temp string, sheet *balance.Sheet, progress func(format string, args ...any)) error {
	report, err := verify.Run(ctx, verify.Stores{Tables: app.Tables, Landing: landed.Blobs, App: app.Blobs, NoBlob: content.ErrNoBlob}, verify.Options{
		SettlingHours: 6, CloseDelay: 48 * time.Hour, SweepGrace: 15 * time.Minute, Now: time.Now(), TempDir: temp,
	})
	if err != nil {
		return err
	}
	for _, f := range report.Differences {
		sheet.Problems = append(sheet.Problems, "verify: "+f.String())
	}
	for _, f := range report.Open {
		progress("verify: open: %s", f)
	}
	sheet.Verified = len(report.Differences) == 0
	sheet.Balanced = sheet.Balanced && sheet.Verified
	progress("verified: %d hours, %d rows, %d days, %d revisions, %d records, %d answers; %d differences",
		report.Hours, report.Rows, report.Days, report.Revisions, report.Records, report.Answers, len(report.Differences))
	return nil
}
