package envelope

import (
	"bufio"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	guid    = regexp.MustCompile(`"RandGuid":"[-0-9a-f]{36}"`)
	retries = regexp.MustCompile(`,"RetryContext":.*\}\}$`)
)

// recorded is what a request of the real host says of its own making.
type recorded struct {
	name, body string
	Data       map[string]json.RawMessage
	Metadata   struct {
		DequeueCount, ID, PopReceipt                   string
		ExpirationTime, InsertionTime, NextVisibleTime time.Time
		Sys                                            struct {
			MethodName string
			UtcNow     time.Time
		}
	}
}

func recordings(t *testing.T, file string, count int) (all []recorded) {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v struct{ Name, Body string }
		var rec recorded
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(v.Body), &rec); err != nil {
			t.Fatal(err)
		}
		rec.name, rec.body = v.Name, v.Body
		all = append(all, rec)
	}
	if len(all) != count {
		t.Fatalf("%s has %d requests, want %d", file, len(all), count)
	}
	return all
}

func (r recorded) call(binding string) Call {
	return Call{Function: r.Metadata.Sys.MethodName, Binding: binding, Now: r.Metadata.Sys.UtcNow}
}

// same compares a body with the recorded one, byte for byte but for the GUID and for
// the retry context, which the stand-in does not make.
func (r recorded) same(t *testing.T, got []byte) {
	t.Helper()
	want := retries.ReplaceAllString(r.body, "}}")
	g, w := guid.ReplaceAllString(string(got), "GUID"), guid.ReplaceAllString(want, "GUID")
	if g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// text is a value of the envelope that is text: JSON in a JSON string.
func text(t *testing.T, value json.RawMessage) (inner string) {
	t.Helper()
	var outer string
	if err := json.Unmarshal(value, &outer); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(outer), &inner); err != nil {
		t.Fatal(err)
	}
	return inner
}

// TestQueueVectors makes the requests again that the real host with the real queue
// extension sent. Two of them are of a binding with "dataType": "binary", which no
// function has.
func TestQueueVectors(t *testing.T) {
	t.Parallel()
	made := 0
	for _, rec := range recordings(t, "queue-vectors.jsonl", 27) {
		if strings.HasPrefix(rec.name, "binary: ") {
			continue
		}
		made++
		t.Run(rec.name, func(t *testing.T) {
			m := Message{Inserted: rec.Metadata.InsertionTime, Expires: rec.Metadata.ExpirationTime, Visible: rec.Metadata.NextVisibleTime}
			// The text of a message may overwrite these: what they were is not recorded.
			m.Count, _ = strconv.ParseInt(rec.Metadata.DequeueCount, 10, 64)
			m.ID, m.Receipt = unquoted(rec.Metadata.ID), unquoted(rec.Metadata.PopReceipt)
			rec.same(t, rec.call("msg").Queue([]byte(text(t, rec.Data["msg"])), m))
		})
	}
	if made != 25 {
		t.Errorf("%d requests made again, want 25", made)
	}
}

func unquoted(s string) string {
	u, err := strconv.Unquote(s)
	if err != nil {
		return s
	}
	return u
}

// TestVectors makes the requests again that the real host sent for timers and for
// text. The text is that of a manual trigger, which puts it in Metadata, too, and
// what the host says of the call last. Requests for HTTP are left out: here they pass
// through to the handler.
func TestVectors(t *testing.T) {
	t.Parallel()
	made := 0
	for _, rec := range recordings(t, "vectors.jsonl", 16) {
		t.Run(rec.name, func(t *testing.T) {
			for name, value := range rec.Data {
				c := rec.call(name)
				switch name {
				case "req":
					continue
				case "input":
					var meta bindingData
					input := text(t, value)
					meta.promote(input)
					meta.set(name, textValue(input))
					c.addSys(&meta)
					rec.same(t, c.body(textValue(input), &meta))
				default:
					var info struct {
						ScheduleStatus *TimerStatus
						IsPastDue      bool
					}
					if err := json.Unmarshal(value, &info); err != nil {
						t.Fatal(err)
					}
					rec.same(t, c.Timer(info.ScheduleStatus, info.IsPastDue))
				}
				made++
			}
		})
	}
	if made != 12 {
		t.Errorf("%d requests made again, want 12", made)
	}
}

func TestPromote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`not json`:  `{}`,
		`[{"a":1}]`: `{}`,
		`{"a":1} x`: `{}`,
		` {"a":1,"A":2,"n":null,"l":[1],"t":false} `:         `{"a":"\"2\"","t":"\"False\""}`,
		`{"o":{"l":[1,"\u00e9",{"x":null}],"a":1,"a":2}}`:    `{"o":{"l":[1,"é",{"x":null}],"a":2}}`,
		`{"d":"2026-06-26T20:41:00+02:00","e":"2026-06-26"}`: `{"d":"\"06/26/2026 18:41:00\"","e":"\"2026-06-26\""}`,
		`{"html":"<&>\u2028\u0085\u0001"}`:                   `{"html":"\"<&>\\u2028\\u0085\\u0001\""}`,
	} {
		var d bindingData
		d.promote(text)
		if got := string(d.members.json()); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// FuzzPromote: whatever a message says, the envelope is JSON, and keeps the
// message whole.
func FuzzPromote(f *testing.F) {
	f.Add(`{"topic":"/subs/x","id":"831e1650","n":5,"f":1.5,"b":true,"nul":null,"arr":[1],"data":{"t":[{}]},"sys":1}`)
	f.Add("plain \xff text \x00")
	f.Fuzz(func(t *testing.T, text string) {
		body := Call{Function: "F", Binding: "msg", Now: time.Now()}.Queue([]byte(text), Message{ID: "i"})
		var got struct {
			Data     struct{ Msg string }
			Metadata map[string]json.RawMessage
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		var inner string
		if err := json.Unmarshal([]byte(got.Data.Msg), &inner); err != nil || inner != validText([]byte(text)) {
			t.Fatalf("%q became %q, %v", text, inner, err)
		}
	})
}
