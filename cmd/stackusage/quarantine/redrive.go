package quarantine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/ingest"
	"stackusage/shared/reasoned"
	"stackusage/shared/redrive"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

// Redriven is what quarantine redrive did.
type Redriven struct {
	CloudID   string     `json:"cloudId"`
	Hour      usage.Hour `json:"hour"`
	Rows      int64      `json:"acceptedRows"`
	Rejected  int64      `json:"rejectedRows"`
	Corrected string     `json:"correctedBlob,omitempty"`
	UsageDays string     `json:"usageDays,omitempty"`
	Already   bool       `json:"already"` // an earlier redrive accepted them
	DryRun    bool       `json:"dryRun"`
	Reason    string     `json:"reason,omitempty"`
	By        string     `json:"by,omitempty"`
}

func redriveRows(e *cli.Env) *cobra.Command {
	var s selection
	var fixed string
	var req redrive.Request
	var reason func() error
	cmd := cli.Command("redrive", "Resubmit quarantined rows", `Without --fixed the rows are read as they came, by the current rules. With it the rows
of the file replace them: one JSON object a line with "line" and "row", as show prints
them. If rows are accepted, a corrected hour blob replaces the accepted one, with who
and why; the usage days of its rows are closed again by correction. Other lines keep
their numbers. Where the very rows are in the bill already by another redrive, the
command reports that and changes nothing. IngestHour finishes an interrupted redrive
within the hour, or the next redrive does; until then stackusage hour resolve --keep
withdraws it. --dry-run records nothing, and needs no reason.

Exit code: 0 all rows are accepted, 2 some rows are rejected again, 1 anything else.`, `
stackusage quarantine redrive --hour 2019-12-10T19:00Z --reason "region is registered"
stackusage quarantine redrive --hour 2019-12-10T19:00Z --fixed rows.ndjson --dry-run`, func(ctx context.Context) error {
		if err := s.check(); err != nil {
			return err
		}
		if !req.DryRun { // records nothing
			if err := reason(); err != nil {
				return err
			}
		}
		if fixed != "" {
			var err error
			if req.Fixed, err = readFixed(fixed); err != nil {
				return err
			}
		}
		storage, err := s.find(ctx)
		if err != nil {
			return err
		}
		req.ID = s.id
		if s.code != "" || s.lines != nil {
			req.Want = s.wants
		}
		req.Still = func(r ingest.RejectedRow) {
			fmt.Fprintf(e.Stderr, "line %d %s: %s: %s\n", r.Line, again(req.DryRun), r.Code, r.Reason)
		}
		last := time.Now()
		req.Progress = func(rows int64) {
			if time.Since(last) > 5*time.Second {
				last = time.Now()
				fmt.Fprintf(e.Stderr, "%s validated\n", cli.Count(rows, "row"))
			}
		}
		out, err := redriver(storage).Redrive(ctx, req)
		if errors.Is(err, reasoned.ErrDecided) {
			return fmt.Errorf("%w; stackusage hour list shows the files of the hour, and which of them is accepted", err)
		} else if err != nil {
			return err
		}
		return s.redriven(storage.Name(ctx, s.id.CloudID), out, req.DryRun)
	})
	s.flags(e, cmd)
	cmd.Flags().StringVar(&fixed, "fixed", "", "`file` with corrected rows; - is standard input")
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "report which rows would be accepted, and change nothing")
	reason = cli.ReasonFlags(cmd, &req.Why)
	return cmd
}

// again tells of rows that the rules reject another time.
func again(dryRun bool) string {
	if dryRun {
		return "would be rejected again"
	}
	return "is rejected again"
}

// redriven prints what a redrive did.
func (s *selection) redriven(name string, out redrive.Outcome, dryRun bool) error {
	did := Redriven{CloudID: s.id.CloudID, Hour: s.id.Hour, Rows: out.Rows, Rejected: out.Still, Corrected: out.Corrected,
		UsageDays: listOfDays(out.UsageDays), Already: out.Already, DryRun: dryRun, Reason: out.Why.Reason, By: out.Why.By}
	hour, rows, text := s.id.Hour, cli.Count(out.Rows, "row"), ""
	switch {
	case out.Already:
		text = fmt.Sprintf("%s in the bill already, in corrected blob %s of the hour %s (%s, %s); nothing changes\n", rows, out.Corrected, hour, did.Reason, did.By)
	case out.Rows == 0 && out.Still == 0 && (s.code != "" || s.lines != nil):
		return errors.New(s.none(name))
	case dryRun:
		text = fmt.Sprintf("%s would be accepted; this is a dry run, and nothing is written\n", rows)
	case out.Rows == 0:
		text = "no row is accepted; nothing changes\n"
	default:
		text = fmt.Sprintf(`%s accepted, in corrected blob %s of the hour %s (%s, %s).
The usage days of the hour, %s, are closed again by correction, at most once in REOPEN_DELAY:
  stackusage day list --registration %s
`, rows, out.Corrected, hour, did.Reason, did.By, did.UsageDays, name)
	}
	switch still := cli.Count(out.Still, "row"); {
	case out.Still > 0 && dryRun:
		text += still + " would be rejected again, and stay in quarantine\n"
	case out.Still > 0:
		text += still + " rejected again, and left in quarantine\n"
	}
	if err := cli.Results(s.env, []Redriven{did}, text); err != nil {
		return err
	}
	if out.Still > 0 {
		return cli.ErrDifferences
	}
	return nil
}

// listOfDays shows a list of usage days as the flags read them.
func listOfDays(compact string) string {
	if compact == "" {
		return ""
	}
	days := strings.Split(compact, ",")
	for i, text := range days {
		days[i] = usage.ShowDay(text)
	}
	return strings.Join(days, ", ")
}

// maxFixed bounds a file of rows that people corrected.
const maxFixed = 256 << 20

func readFixed(path string) (map[int64][]byte, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return nil, err
		}
		defer f.Close()
	}
	rows := map[int64][]byte{}
	scan := bufio.NewScanner(io.LimitReader(f, maxFixed))
	scan.Buffer(nil, 4*usage.MaxLine)
	for n := 1; scan.Scan(); n++ {
		var r Shown
		if err := strictjson.Unmarshal(scan.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", path, n, err)
		}
		if _, twice := rows[r.Line]; twice || r.Line < 1 || r.Row == nil {
			return nil, fmt.Errorf(`read %s: line %d: needs "line", each once, and "row" with the corrected row`, path, n)
		}
		rows[r.Line] = r.Row
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("read %s: it has no rows", path)
	}
	return rows, nil
}
