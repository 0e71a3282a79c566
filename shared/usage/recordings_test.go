package usage_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/usage"
)

// readRecording reads a file of real bytes, which are kept beside the project.
func readRecording(name string) ([]byte, error) {
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	return os.ReadFile(filepath.Join(dir, name))
}

// readRows reads the rows of one reported hour of a real stack.
func readRows() ([]json.RawMessage, error) {
	text, err := readRecording("2019-12-10T19.json")
	if err != nil {
		return nil, err
	}
	var answer struct{ Value []json.RawMessage }
	err = json.Unmarshal(text, &answer)
	return answer.Value, err
}

// realRows are those rows. Without the recording a test skips, except where it
// must be: in CI.
func realRows(t testing.TB) []json.RawMessage {
	t.Helper()
	rows, err := readRows()
	switch {
	case err == nil:
		return rows
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	case os.Getenv("CI") != "":
		t.Fatalf("the recording must be there in CI; set STACKUSAGE_RECORDINGS: %v", err)
	}
	t.Skip("recording 2019-12-10T19.json is not here; set STACKUSAGE_RECORDINGS to its folder")
	return nil
}

func TestEveryRealRowIsAccepted(t *testing.T) {
	rows := realRows(t)
	byHour := map[string]int{}
	subscriptions := map[string]bool{}
	keys := map[usage.Key]bool{}
	for i, row := range rows {
		record, rejection := usage.ParseRecord(row, hour(t, "2019-12-10T19:00:00Z"))
		if rejection != nil {
			t.Fatalf("row %d: %s: %s", i+1, rejection.Code, rejection.Reason)
		}
		byHour[record.Hour.String()]++
		subscriptions[record.SubscriptionID] = true
		keys[record.Key()] = true
	}
	want := map[string]int{"2019-12-10T17:00Z": 10, "2019-12-10T18:00Z": 224, "2019-12-10T19:00Z": 2}
	if diff := cmp.Diff(want, byHour); diff != "" {
		t.Error(diff)
	}
	if len(rows) != 236 || len(subscriptions) != 96 {
		t.Errorf("%d rows of %d subscriptions, want 236 of 96", len(rows), len(subscriptions))
	}
	if len(keys) < 200 {
		t.Errorf("only %d keys: unlike resources became one", len(keys))
	}
}

func TestRealRowsKeepTheirQuantitiesDigitForDigit(t *testing.T) {
	for _, row := range realRows(t) {
		var r struct {
			Properties struct{ Quantity json.Number }
		}
		if err := json.Unmarshal(row, &r); err != nil {
			t.Fatal(err)
		}
		record, rejection := usage.ParseRecord(row, hour(t, "2019-12-10T19:00:00Z"))
		if rejection != nil {
			t.Fatal(rejection)
		}
		if got, want := exact(t, record.Quantity.String()), exact(t, r.Properties.Quantity.String()); got.Cmp(want) != 0 {
			t.Errorf("%s was read as %s", r.Properties.Quantity, record.Quantity)
		}
	}
}
