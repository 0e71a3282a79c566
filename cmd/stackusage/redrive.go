package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"stackusage/shared/intake"
	"stackusage/shared/ledger"
	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
)

const aboutRedrive = `resubmit quarantined rows

Without --fixed the rows are read as they came, by the current rules. With it
the rows of the file take their place: one JSON object a line with "line" and
"row", as show prints them. If rows are accepted, a corrected hour blob takes the
place of the one that counts, with who and why; the usage days of its rows are closed
again by correction. Other lines keep their numbers. Where the very rows count already
by another redrive, the command reports that and changes nothing. A redrive that was
interrupted is finished by IngestHour within the hour, or by the next redrive; until
then stackusage hours resolve --keep withdraws it. --dry-run records nothing, and needs
no reason. Exit code 2: some rows are rejected again.`

func redriveQuarantine(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "quarantine redrive", aboutRedrive)
	var s selection
	s.flags(fs)
	fixed := fs.String("fixed", "", "`file` with corrected rows; - is standard input")
	dryRun := fs.Bool("dry-run", false, "report which rows would be accepted, and change nothing")
	var req intake.Request
	reason := reasonFlags(fs, &req.Why)
	if err := s.parse(fs, args); err != nil {
		return err
	}
	if !*dryRun { // records nothing
		if err := reason(); err != nil {
			return err
		}
	}
	if *fixed != "" {
		var err error
		if req.Fixed, err = readFixed(*fixed); err != nil {
			return err
		}
	}
	app, _, err := s.find(ctx, env)
	if err != nil {
		return err
	}
	req.ID, req.DryRun = s.id, *dryRun
	if s.code != "" || s.lines != nil {
		req.Want = s.wants
	}
	req.Still = func(r intake.Refused) {
		fmt.Fprintf(env.stderr, "line %d is rejected again: %s: %s\n", r.Line, r.Code, r.Reason)
	}
	last := time.Now()
	req.Progress = func(rows int64) {
		if time.Since(last) > 5*time.Second {
			last = time.Now()
			fmt.Fprintf(env.stderr, "%d rows validated\n", rows)
		}
	}
	out, err := app.redriver().Redrive(ctx, req)
	if errors.Is(err, ledger.ErrDecided) {
		return fmt.Errorf("%w; stackusage hours list shows the files of the hour, and which of them counts", err)
	} else if err != nil {
		return err
	}
	switch {
	case out.Already:
		fmt.Fprintf(env.stdout, "%d rows count already, in corrected blob %s of the hour %s (%s, %s); nothing changes\n",
			out.Rows, out.Corrected, s.id.Hour, out.Why.Reason, out.Why.By)
	case out.Rows == 0 && out.Still == 0 && (s.code != "" || s.lines != nil):
		return fmt.Errorf("no rejected row of the hour matches --line and --code; stackusage quarantine list shows the rows")
	case out.Rows == 0:
		fmt.Fprintln(env.stdout, "no row is accepted; nothing changes")
	case req.DryRun:
		fmt.Fprintf(env.stdout, "%d rows would count; nothing was written\n", out.Rows)
	default:
		fmt.Fprintf(env.stdout, `%d rows count now, in corrected blob %s of the hour %s (%s, %s).
The usage days of the hour, %s, are closed again by correction, at most once in REOPEN_DELAY:
  stackusage days list --cloud-id %s
`, out.Rows, out.Corrected, s.id.Hour, out.Why.Reason, out.Why.By, listOfDays(out.UsageDays), s.id.CloudID)
	}
	if out.Still > 0 {
		fmt.Fprintf(env.stdout, "%d rows are rejected again and stay in quarantine\n", out.Still)
		return errDifferences
	}
	return nil
}

// listOfDays shows a list of usage days as the flags read them.
func listOfDays(compact string) string {
	days := strings.Split(compact, ",")
	for i, text := range days {
		if d, err := usage.ParseDay(text); err == nil {
			days[i] = d.String()
		}
	}
	return strings.Join(days, ", ")
}

// maxFixed bounds a file of rows put right by people.
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
		var r shownRow
		if err := strictjson.Unmarshal(scan.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("read %s: line %d: %w", path, n, err)
		}
		if _, twice := rows[r.Line]; twice || r.Line < 1 || r.Row == nil {
			return nil, fmt.Errorf(`read %s: line %d: needs "line", each once, and "row" with the row as it shall count`, path, n)
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
