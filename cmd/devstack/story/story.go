// Package story makes the scenario three-stacks: what happens to three stacks within a
// week, done by the real agent and the operator's tool, so that every question about
// usage has an answer that can be looked at.
//
//	hamburg  two tenants, one of them with a billing subscription of its own (CSP);
//	         late hours, rejected rows (one redriven, one dismissed, the others undecided),
//	         a replaced hour, declined usage, of which one day is carried forward
//	munich   a gap of two hours, and a conflict that nobody has decided
//	berlin   capacity model: counted, and reported to nobody
package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/shared/usage"
)

// Stack is one of the stacks.
type Stack struct {
	Name, CloudID, Billing string
	Region                 string
	Directory              string // tenant of its first customer
	First, End             time.Time
	Infrastructure         []string
}

// Site is where the story takes place.
type Site struct {
	Stacks   []Stack
	Declined string         // a meter that commerce can be made to decline
	Dir      string         // for files that are passed to the tool
	Landing  *azblob.Client // the account of the hour blobs

	// Tool runs stackusage, and returns what it prints.
	Tool func(ctx context.Context, args ...string) (string, error)
	// Agent collects the reported hours of a stack from first up to end; each folder is an
	// agent with a spool of its own.
	Agent func(ctx context.Context, stack, folder string, first, end time.Time) error
	// Decline makes commerce decline the meter, or stop.
	Decline func(ctx context.Context, meter string) error
	// Settle sweeps until nothing moves any more, and done says so.
	Settle func(ctx context.Context, done func(context.Context) (bool, error)) error
	// Progress tells what happens.
	Progress func(format string, args ...any)
}

func at(text string) time.Time {
	t, err := usage.ParsePoint(text)
	if err != nil {
		panic(err)
	}
	return t
}

// The moments of the story.
var (
	lateFrom, lateTo = at("2024-02-29T10:00Z"), at("2024-02-29T12:00Z") // collected after their day was closed
	laterFrom        = at("2024-03-03T00:00Z")                          // collected at the end

	GapFrom, GapTo = at("2024-03-01T03:00Z"), at("2024-03-01T05:00Z") // of munich: never collected
	Replaced       = at("2024-03-02T09:00Z")                          // of hamburg: another file with half a core hour more
	Conflict       = at("2024-03-02T08:00Z")                          // of munich: a second file that nobody decided about
	Rejected       = at("2024-02-27T05:00Z")                          // of hamburg: three rejected rows, the first redriven with 1, the second dismissed
)

// declinedDay is carried forward to carriedTo; the other declined day waits.
const declinedDay, carriedTo = "2024-03-01", "2024-03-03"

// Tell makes the scenario.
func Tell(ctx context.Context, s Site) error {
	for _, chapter := range []struct {
		title string
		does  func(context.Context, Site) error
	}{
		{"registers the stacks", register},
		{"agents collect five days, with two late hours and a gap of two", collect},
		{"the days close, while commerce declines a meter", closeDays},
		{"late hours, another file of two hours", correct},
		{"an operator redrives, dismisses, replaces, and carries forward", decide},
		{"agents collect the last day", finish},
	} {
		s.Progress("%s", chapter.title)
		if err := chapter.does(ctx, s); err != nil {
			return fmt.Errorf("story: %s: %w", chapter.title, err)
		}
	}
	return nil
}

func register(ctx context.Context, s Site) error {
	for _, st := range s.Stacks {
		kind, model := "EA", "PayAsYouUse"
		switch st.Name {
		case "hamburg":
			kind = "CSP"
		case "berlin":
			model = "Capacity"
		}
		day := st.First.Format(time.DateOnly)
		if _, err := s.Tool(ctx, "registration", "create", "--name", st.Name, "--cloud-id", st.CloudID, "--subscription", st.Billing, "--kind", kind,
			"--model", model, "--region", st.Region, "--from", day, "--start", usage.Point(st.First), "--end", usage.Point(st.End), "--reason", "the stack is live", "--by", "operator"); err != nil {
			return err
		}
		args := []string{"infrastructure", "set", "--registration", st.Name, "--from", day, "--reason", "from the stack's portal", "--by", "operator"}
		for _, id := range st.Infrastructure {
			args = append(args, "--subscription", id)
		}
		if _, err := s.Tool(ctx, args...); err != nil {
			return err
		}
		if kind != "CSP" {
			continue
		}
		if _, err := s.Tool(ctx, "tenant", "map", "--registration", st.Name, "--tenant", st.Directory, "--subscription", Customer, "--from", day,
			"--reason", "a customer of ours", "--by", "operator"); err != nil {
			return err
		}
	}
	return nil
}

// Customer is the Azure subscription that hamburg's first tenant is charged to.
const Customer = "5a1d7c9e-0b53-4b8e-9d43-1c2d4c9f1b22"

func collect(ctx context.Context, s Site) error {
	if err := s.Decline(ctx, s.Declined); err != nil { // the timer may close a day before all are collected
		return err
	}
	for _, st := range s.Stacks {
		holes := map[string][2]time.Time{"hamburg": {lateFrom, lateTo}, "munich": {GapFrom, GapTo}}
		hole, is := holes[st.Name]
		if !is {
			hole = [2]time.Time{laterFrom, laterFrom}
		}
		if err := s.Agent(ctx, st.Name, st.Name, st.First, hole[0]); err != nil {
			return err
		}
		if hole[1].Before(laterFrom) {
			if err := s.Agent(ctx, st.Name, st.Name+"-after", hole[1], laterFrom); err != nil {
				return err
			}
		}
	}
	return nil
}

// revision is in what day list prints of a day that was closed; of one that is open it
// prints 0.
var revision = regexp.MustCompile(`"revision":[1-9]`)

// closed reports whether usage days have at least so many revisions.
func (s Site) closed(revisions map[string]int) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		for key, want := range revisions {
			stack, day, _ := strings.Cut(key, " ")
			out, err := s.Tool(ctx, "day", "list", "--registration", stack, "--from", day, "--to", day, "--output", "json")
			if err != nil || len(revision.FindAllString(out, -1)) < want {
				return false, err
			}
		}
		return true, nil
	}
}

func closeDays(ctx context.Context, s Site) error {
	if err := s.Settle(ctx, s.closed(map[string]int{"hamburg 2024-02-29": 1, "hamburg 2024-03-01": 1, "munich 2024-03-01": 1, "berlin 2024-03-01": 1})); err != nil {
		return err
	}
	return s.Decline(ctx, "")
}

func correct(ctx context.Context, s Site) error {
	if err := s.Agent(ctx, "hamburg", "hamburg-late", lateFrom, lateTo); err != nil {
		return err
	}
	for _, st := range s.Stacks {
		hour := map[string]time.Time{"hamburg": Replaced, "munich": Conflict}[st.Name]
		if hour.IsZero() {
			continue
		}
		file, name, err := landedFile(ctx, s.Landing, st.CloudID, usage.HourOf(hour))
		if err != nil {
			return err
		}
		if file, name, err = changed(file, name); err != nil {
			return err
		}
		if _, err := s.Landing.UploadBuffer(ctx, name.Container(), name.Blob(), file, nil); err != nil {
			return err
		}
	}
	return s.Settle(ctx, s.closed(map[string]int{"hamburg 2024-02-29": 2}))
}

func decide(ctx context.Context, s Site) error {
	if err := redrive(ctx, s); err != nil {
		return err
	}
	out, err := s.Tool(ctx, "hour", "list", "--registration", "hamburg", "--verdict", "conflict", "--output", "json")
	if err != nil {
		return err
	}
	var file struct{ SHA16 string }
	if err := json.Unmarshal([]byte(out), &file); err != nil {
		return fmt.Errorf("hour list printed %.200q: %w", out, err)
	}
	for _, args := range [][]string{
		{"hour", "resolve", "--hour", usage.Point(Replaced), "--sha16", file.SHA16, "--supersede", "--reason", "the first file came from a test build of the agent"},
		{"day", "carry-forward", "--day", declinedDay, "--to", carriedTo, "--reason", "commerce did not know the meter yet"},
	} {
		if _, err := s.Tool(ctx, append(args, "--registration", "hamburg", "--by", "operator")...); err != nil {
			return err
		}
	}
	return s.Settle(ctx, s.closed(map[string]int{"hamburg 2024-02-27": 2, "hamburg 2024-03-02": 1, "hamburg " + declinedDay: 2}))
}

// redrive fixes the first rejected row of an hour, and dismisses the second.
func redrive(ctx context.Context, s Site) error {
	out, err := s.Tool(ctx, "quarantine", "show", "--registration", "hamburg", "--hour", usage.Point(Rejected), "--output", "json")
	if err != nil {
		return err
	}
	type row struct {
		Line int             `json:"line"`
		Row  json.RawMessage `json:"row"`
	}
	var rows []row
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var r row
		if err := dec.Decode(&r); err != nil {
			return fmt.Errorf("quarantine show printed %.200q: %w", out, err)
		}
		rows = append(rows, r)
	}
	if len(rows) != 3 {
		return fmt.Errorf("%d rejected rows in %s, want 3", len(rows), usage.Point(Rejected))
	}
	rows[0].Row = bytes.Replace(rows[0].Row, []byte(`"quantity":-1.0`), []byte(`"quantity":1.0`), 1)
	fixed, err := json.Marshal(rows[0])
	if err != nil {
		return err
	}
	path := filepath.Join(s.Dir, "fixed.ndjson")
	if err := os.WriteFile(path, fixed, 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"redrive", "--fixed", path, "--reason", "the provider wrote a minus sign"},
		{"dismiss", "--line", fmt.Sprint(rows[1].Line), "--reason", "test of the provider"},
	} {
		if _, err := s.Tool(ctx, append([]string{"quarantine"}, append(args, "--registration", "hamburg", "--hour", usage.Point(Rejected), "--by", "operator")...)...); err != nil {
			return err
		}
	}
	return nil
}

func finish(ctx context.Context, s Site) error {
	last := map[string]int{}
	for _, st := range s.Stacks {
		if err := s.Agent(ctx, st.Name, st.Name+"-end", laterFrom, st.End); err != nil {
			return err
		}
		last[st.Name+" 2024-03-03"] = 1
	}
	return s.Settle(ctx, s.closed(last))
}
