package handlers_test

import (
	"testing"

	"stackusage/shared/azurestore"
	"stackusage/shared/verify"
)

// audit is what the auditor finds, by the settings of the app.
func (r *rig) audit(t testing.TB) verify.Report {
	t.Helper()
	report, err := verify.Run(t.Context(), verify.Stores{Tables: r.store.Tables, Landing: r.store.Blobs, App: r.store.Blobs, NoBlob: azurestore.ErrNoBlob}, verify.Options{
		SettlingHours: r.Settings.SettlingHours, CloseDelay: r.Settings.CloseDelay, SweepGrace: r.Settings.SweepGrace, Now: r.Now(), TempDir: r.Settings.TempDir,
	})
	ok(t, err)
	return report
}
