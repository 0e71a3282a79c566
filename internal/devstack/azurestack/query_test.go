package azurestack_test

import (
	"net/url"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
)

func TestParseTime(t *testing.T) {
	want := time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2019-12-10T19:00:00Z",
		"2019-12-10T19:00:00.00Z",
		"2019-12-10T19:00:00.0000000Z",
		"2019-12-10T19:00:00.0000000+00:00",
		"2019-12-10T19:00:00+00:00",
		"2019-12-10T19:00:00+00:00Z",
		"2019-12-10T21:00:00+02:00",
	} {
		if got, err := azurestack.ParseTime(text); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "2019-12-10", "2019-12-10T19:00:00", "2019-12-10T19:00:00 00:00", "2019-12-10T19:00:00+02:00Z", "2019-13-10T19:00:00Z", "yesterday",
	} {
		if got, err := azurestack.ParseTime(text); err == nil {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2019-12-10T19:00:00.0000000+00:00")
	f.Add("2015-06-16T18:53:11+00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := azurestack.ParseTime(text)
		if err != nil {
			return
		}
		if got.Location() != time.UTC {
			t.Fatalf("%q is not in UTC", text)
		}
		if year := got.Year(); year < 0 || year > 9999 {
			return // an offset can lead out of the years that the layout holds
		}
		again, err := azurestack.ParseTime(got.Format(time.RFC3339Nano))
		if err != nil || !again.Equal(got) {
			t.Fatalf("%q: read as %v, then as %v, %v", text, got, again, err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	now := time.Date(2019, 12, 11, 6, 0, 0, 0, time.UTC)
	f.Add("api-version=2015-06-01-preview&reportedStartTime=2019-12-10T19%3a00%3a00Z&reportedEndTime=2019-12-10T20:00:00%2B00:00&aggregationGranularity=Hourly", "MC4")
	f.Add("api-version=2015-06-01-preview&reportedStartTime=2019-12-10T00:00:00Z&reportedEndTime=2019-12-11T00:00:00Z", "")
	f.Fuzz(func(t *testing.T, text, token string) {
		v, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		start, end, code := azurestack.ParseQuery(v, now)
		azurestack.Resume(v, now, token)
		if code != "" {
			return
		}
		if !start.Before(end) || end.After(now) || !start.Truncate(time.Hour).Equal(start) || !end.Truncate(time.Hour).Equal(end) {
			t.Fatalf("accepted [%v, %v)", start, end)
		}
	})
}
