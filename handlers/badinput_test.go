package handlers_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/internal/badinput"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// TestBadRowsAreSetAside lands the whole corpus in one hour: each bad row is in
// Quarantine under its code, and every other row of the hour is on the bill.
func TestBadRowsAreSetAside(t *testing.T) {
	t.Parallel()
	r := registered(t)
	bill := newBilling(t, r)
	corpus := badinput.Rows()
	lines := rowsOf(hour22)
	for _, row := range corpus {
		lines = append(lines, row.Line)
	}
	name := r.ingest(t, hour22, lines...)

	refused := r.rows(t, table.Quarantine)
	want := exactSum(t, "1.5", "0.25", "16.461425899527967")
	odd := 0
	for i, row := range corpus {
		key := fmt.Sprintf("%s_20191210/22_%s_%010d", cloudID, name.SHA16, i+4)
		got, set := refused[key]
		switch {
		case row.Code == "":
			odd++
			want.Add(want, exactSum(t, row.Want))
			if set {
				t.Errorf("%s: refused: %v", row.Name, got)
			}
		case !set || got["code"] != row.Code || got["status"] != "rejected" || got["blob"] != name.String():
			t.Errorf("%s: want code %s, have %v", row.Name, row.Code, got)
		}
	}
	hour := r.hourRow(t, name)
	if hour.Verdict != hourlog.Accepted || hour.Records != int64(len(lines)) || hour.Accepted != int64(3+odd) || hour.Quarantined != int64(len(corpus)-odd) {
		t.Errorf("%+v", hour)
	}

	r.ingest(t, hour23)
	r.ingest(t, hour00)
	r.settle(t, rand.New(rand.NewPCG(1, 1))) // and verifies every number back to the rows
	billed := new(big.Rat)
	for _, record := range bill.records(t) {
		billed.Add(billed, exactSum(t, quantityOf(t, record)))
	}
	if billed.Cmp(want) != 0 {
		t.Errorf("billed %s, the rows that count say %s", billed.FloatString(50), want.FloatString(50))
	}
	for key, line := range r.rows(t, table.DailyUsage) {
		if line["outcome"] != "Accepted" {
			t.Errorf("%s: %v %v: %v", key, line["outcome"], line["outcomeCode"], line["outcomeMessage"])
		}
	}
}

func exactSum(t *testing.T, quantities ...string) *big.Rat {
	t.Helper()
	sum := new(big.Rat)
	for _, text := range quantities {
		q, fine := new(big.Rat).SetString(text)
		if !fine {
			t.Fatalf("%q is no quantity", text)
		}
		sum.Add(sum, q)
	}
	return sum
}

func quantityOf(t *testing.T, record any) string {
	t.Helper()
	var r struct{ Quantity string }
	text, err := json.Marshal(record)
	ok(t, err)
	ok(t, json.Unmarshal(text, &r))
	return r.Quantity
}

// TestBadBlobsAreRejected: each is in UsageHours with its code, none leaves
// anything else behind, and the right blob of the hour counts afterwards.
func TestBadBlobsAreRejected(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.Limits = landing.Limits{Bytes: 20 << 20, Rows: 10_000}
	file, _ := blobOf(t, hour22, rowsOf(hour22)...)
	text := unzip(t, file)
	head, rest, _ := strings.Cut(text, "\n")
	edit := func(old, with string) []byte {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("%s is not once in the blob", old)
		}
		return zip(t, strings.Replace(text, old, with, 1))
	}
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct {
		name, code string
		file       []byte
	}{
		{"a header of two registrations", "UnreadableHeader", edit(`"format"`, `"cloudId":"c31316d4-de02-43a4-903d-eb74f8258b01","format"`)},
		{"a header behind a byte order mark", "UnreadableHeader", zip(t, "\ufeff"+text)},
		{"a header with half a pair", "UnreadableHeader", edit(`"northwest"`, `"\ud800"`)},
		{"a header with brackets", "UnreadableHeader", edit(`"format"`, `"x":`+deep+`,"format"`)},
		{"a header of 18 MiB", "UnreadableHeader", zip(t, strings.Repeat(" ", 18<<20)+text)},
		{"an empty member in front", "UnreadableHeader", append(zip(t, ""), file...)},
		{"a header of another registration", "OtherRegistration", edit(cloudID, "c31316d4-de02-43a4-903d-eb74f8258b01")},
		{"a header of a registration that climbs", "OtherRegistration", edit(cloudID, "../../landing-x")},
		{"a header of the next hour", "NameDiffersFromContent", edit(`"reportedStart":"2019-12-10T22:00:00Z","reportedEnd":"2019-12-10T23:00:00Z"`,
			`"reportedStart":"2019-12-10T23:00:00Z","reportedEnd":"2019-12-11T00:00:00Z"`)},
		{"a header off by a minute", "WindowNotOneHour", edit(`"reportedStart":"2019-12-10T22:00:00Z"`, `"reportedStart":"2019-12-10T22:01:00Z"`)},
		{"a count twice", "NoTrailer", edit(`"records":3`, `"records":2,"records":3`)},
		{"a count in two cases", "NoTrailer", edit(`"records":3`, `"records":3,"Records":2`)},
		{"a count of 1e400", "NoTrailer", edit(`"records":3`, `"records":1e400`)},
		{"a member for each part", "NoTrailer", append(zip(t, head+"\n"), zip(t, rest)...)},
		{"a count that lies", "RecordCountDiffers", edit(`"records":3`, `"records":4`)},
		{"a count below zero", "RecordCountDiffers", edit(`"records":3`, `"records":-3`)},
		{"line ends changed on the way", "RowSetHashDiffers", zip(t, strings.ReplaceAll(text, "\n", "\r\n"))},
		{"a thousand empty members behind", "BytesAfterTheEnd", append(append([]byte{}, file...), []byte(strings.Repeat(string(zip(t, "")), 1000))...)},
		{"a line of 30 MiB", "TooLarge", zip(t, head+"\n"+strings.Repeat(" ", 30<<20)+"\n"+rest)},
		{"100,000 rows", "TooManyRows", zip(t, head+"\n"+strings.Repeat("{}\n", 100_000))},
	} {
		t.Run(c.name+" is "+c.code, func(t *testing.T) {
			name := r.drop(t, nameFor(hour22, c.file), c.file)
			r.done(t, "IngestHour", landedMessage(name))
			if got := r.hourRow(t, name); got.Verdict != hourlog.Rejected || got.Code != c.code || got.Reason == "" || !utf8.ValidString(got.Reason) {
				t.Errorf("%s %s: %s", got.Verdict, got.Code, got.Reason)
			}
		})
	}
	for _, name := range []string{table.DayInputs, table.OpenDays, table.Quarantine, table.FailedMessages} {
		if rows := r.rows(t, name); len(rows) != 0 {
			t.Errorf("%s: %v", name, rows)
		}
	}
	if got := r.hourRow(t, r.ingest(t, hour22, rowsOf(hour22)...)); got.Verdict != hourlog.Accepted || got.Accepted != 3 {
		t.Errorf("the right blob: %+v", got)
	}
}

// TestBadMessagesAreRecorded: what names no blob is in FailedMessages, the host
// is told 200, and no storage is touched by its name.
func TestBadMessagesAreRecorded(t *testing.T) {
	t.Parallel()
	r := registered(t)
	name := nameFor(hour22, nil)
	subject := func(container, blob string) string {
		text, err := json.Marshal(map[string]string{"eventType": "Microsoft.Storage.BlobCreated", "subject": "/blobServices/default/containers/" + container + "/blobs/" + blob})
		ok(t, err)
		return string(text)
	}
	messages := map[string]string{
		"a subject twice":              strings.Replace(landedMessage(name), "{", `{"subject":"/blobServices/default/containers/x/blobs/y",`, 1),
		"a subject in two cases":       strings.Replace(landedMessage(name), "{", `{"Subject":"/blobServices/default/containers/x/blobs/y",`, 1),
		"half a pair":                  strings.Replace(landedMessage(name), `"id":"1"`, `"id":"\ud800"`, 1),
		"a byte order mark":            "\ufeff" + landedMessage(name),
		"a NUL":                        landedMessage(name) + "\x00",
		"brackets":                     strings.Repeat("[", 60_000),
		"an event of the whole batch":  "[" + landedMessage(name) + "]",
		"a subject that is no text":    `{"eventType":"Microsoft.Storage.BlobCreated","subject":{}}`,
		"a subject without containers": `{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobs/` + name.Blob() + `"}`,
		"a subject of another service": strings.Replace(landedMessage(name), "blobServices", "fileServices", 1),
		"two containers":               strings.Replace(landedMessage(name), "/blobs/", "/containers/x/blobs/", 1),
	}
	for _, place := range badinput.Places(name.Container(), name.Blob()) {
		messages[place.Name] = subject(place.Container, place.Blob)
	}
	for what, message := range messages {
		r.done(t, "IngestHour", message)
		if seen, err := queue.Failed(t.Context(), r.Tables, queue.Landed, message); err != nil || seen.LastSeen.IsZero() {
			t.Errorf("%s is not recorded: %v", what, err)
		}
	}
	for key, row := range r.rows(t, table.FailedMessages) {
		if reason := row["reason"].(string); reason == "" || !utf8.ValidString(reason) || len(reason) > 1000 {
			t.Errorf("%s: a reason of %d bytes: %.100q", key, len(reason), reason)
		}
	}
	if rows := r.rows(t, table.UsageHours); len(rows) != 0 {
		t.Errorf("verdicts: %v", rows)
	}
	for function, message := range map[string]string{
		"CloseDay":     strings.Replace(dayMessage(theDay), "{", `{"usageDay":"2019-12-09",`, 1),
		"ForwardBatch": strings.Replace(batchMessage(theDay, 1), "{", `{"Revision":2,`, 1),
	} {
		r.done(t, function, message)
		name := map[string]string{"CloseDay": queue.Days, "ForwardBatch": queue.Batches}[function]
		if seen, err := queue.Failed(t.Context(), r.Tables, name, message); err != nil || seen.LastSeen.IsZero() {
			t.Errorf("%s: %s is not recorded: %v", function, message, err)
		}
	}
}

// TestBadEnvelopesFailTheInvocation: the host is told 500 in JSON and nothing is
// written; the message goes to the poison queue, where Sweep finds it.
func TestBadEnvelopesFailTheInvocation(t *testing.T) {
	t.Parallel()
	r := registered(t)
	was := r.dump(t)
	for name, envelope := range map[string]string{
		"nothing":             "",
		"null":                "null",
		"no data":             "{}",
		"another binding":     `{"Data":{"other":"x"}}`,
		"data twice":          `{"Data":{"message":"a"},"Data":{"message":"b"}}`,
		"a message twice":     `{"Data":{"message":"a","message":"b"}}`,
		"data in two cases":   `{"Data":{"message":"a"},"data":{"message":"b"}}`,
		"no UTF-8":            "{\"Data\":{\"message\":\"\xff\"}}",
		"half a pair":         `{"Data":{"message":"\ud800"}}`,
		"a byte order mark":   "\ufeff" + `{"Data":{"message":"a"}}`,
		"brackets":            strings.Repeat("[", 4<<20),
		"more than the limit": `{"Data":{"message":"` + strings.Repeat("x", 64<<20) + `"}}`,
	} {
		status, body := r.post("/IngestHour", envelope)
		var answer struct{ Error string }
		if err := json.Unmarshal([]byte(body), &answer); status != http.StatusInternalServerError || err != nil || answer.Error == "" || len(body) > 2000 {
			t.Errorf("%s: %d %.300s", name, status, body)
		}
	}
	if now := r.dump(t); len(now) != len(was) {
		t.Errorf("something was written: %v", now)
	}
}

// FuzzLandedMessage: a text names a blob that NameOf could have written, or it
// is an error that can be stored.
func FuzzLandedMessage(f *testing.F) {
	name := landing.NameOf(cloudID, usage.Hour(437_686), [32]byte{1})
	f.Add(landedMessage(name))
	f.Add(queue.LandedMessage(name))
	f.Add(strings.Replace(landedMessage(name), name.Blob(), landing.ProbePrefix+"x", 1))
	for _, place := range badinput.Places(name.Container(), name.Blob()) {
		if len(place.Blob) < 1000 {
			f.Add(strings.Replace(strings.Replace(landedMessage(name), name.Container(), place.Container, 1), name.Blob(), place.Blob, 1))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, probe, err := queue.ParseLanded(text)
		switch {
		case err != nil && (probe || err.Error() == "" || len(err.Error()) > 2000 || !utf8.ValidString(err.Error())):
			t.Fatalf("an error that cannot be stored: %q", err)
		case err != nil || probe:
		default:
			again, err := landing.ParseName(name.Container(), name.Blob())
			if err != nil || again != name || !strings.Contains(text, name.SHA16) {
				t.Fatalf("%s was read from %q: %v", name, text, err)
			}
		}
	})
}
