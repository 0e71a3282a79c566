package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"stackusage/handlers"
	"stackusage/internal/devstack/balance"
	"stackusage/shared/ledger"
)

// stuck is how long run waits without seeing anything move.
const stuck = time.Minute

// waitUntilBilled sweeps until every hour has a verdict, every day is closed
// and every record answered.
func (s *site) waitUntilBilled(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	hours := int(s.stack.End().Sub(s.stack.First()) / time.Hour)
	last, moved, swept := "", time.Now(), time.Time{}
	for {
		judged, _, err := s.hours(ctx)
		if err == nil && judged >= hours && time.Since(swept) >= s.sweepEvery {
			swept = time.Now()
			err = s.sweep(ctx)
		}
		var st handlers.Status
		if err == nil {
			st, err = s.status(ctx)
		}
		if err == nil {
			unanswered := 0
			for _, r := range st.OpenRevisions {
				unanswered += r.Unanswered
			}
			if now := fmt.Sprintf("%d of %d hours judged, %d days open, %d batches without an answer", judged, hours, len(st.OpenDays), unanswered); now != last {
				s.progress("%s", now)
				last, moved = now, time.Now()
			}
			if judged >= hours && settled(st) {
				return nil
			}
		} else if ctx.Err() == nil {
			s.log.Warn("status not known", "error", err)
		}
		if time.Since(moved) > stuck {
			return fmt.Errorf("wait until all is billed: nothing moved for %s; last seen: %s", stuck, last)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until all is billed: %w; last seen: %s", context.Cause(ctx), last)
		case <-s.host.Done():
			return errors.Join(errHostEnded, s.host.Err())
		case <-tick.C:
		}
	}
}

func settled(st handlers.Status) bool {
	for queue, n := range st.Queues {
		if n > 0 && !strings.HasSuffix(queue, "-poison") {
			return false
		}
	}
	return len(st.OpenDays)+len(st.OpenRevisions) == 0
}

// hours counts the landed blobs that have a verdict and the hours that count.
func (s *site) hours(ctx context.Context) (judged, counted int, err error) {
	for row, err := range s.usage.Tables.List(ctx, ledger.TableUsageHours, "", "", "") {
		if err != nil {
			return 0, 0, err
		}
		if len(row.Key) == 2 {
			counted++
		} else {
			judged++
		}
	}
	return judged, counted, nil
}

// results makes the balance sheet from what the stack served and what
// commerce accepted.
func (s *site) results(ctx context.Context) (balance.Sheet, error) {
	var book balance.Book
	quarantined, err := s.quarantined(ctx)
	if err != nil {
		return balance.Sheet{}, err
	}
	for h := s.stack.First(); h.Before(s.stack.End()); h = h.Add(time.Hour) {
		rows, err := get(ctx, s.stackURL+"/_devstack/rows?hour="+url.QueryEscape(h.Format(time.RFC3339)))
		if err != nil {
			return balance.Sheet{}, err
		}
		err = book.Hour(rows, quarantined[h.Format("2006010215")])
		rows.Close()
		if err != nil {
			return balance.Sheet{}, fmt.Errorf("hour %s: %w", h.Format(time.RFC3339), err)
		}
	}
	records, err := get(ctx, s.commerce+"/v1/records.ndjson")
	if err != nil {
		return balance.Sheet{}, err
	}
	defer records.Close()
	if err := book.Recorded(records); err != nil {
		return balance.Sheet{}, err
	}
	if _, book.HoursCounted, err = s.hours(ctx); err != nil {
		return balance.Sheet{}, err
	}
	st, err := s.status(ctx)
	if err != nil {
		return balance.Sheet{}, err
	}
	book.OpenDays, book.OpenRevisions, book.FailedMessages = len(st.OpenDays), len(st.OpenRevisions), st.FailedMessages
	if s.accounted != nil {
		if book.FailedMessages, err = s.unaccounted(ctx); err != nil {
			return balance.Sheet{}, err
		}
	}
	for queue, n := range st.Queues {
		if strings.HasSuffix(queue, "-poison") {
			book.PoisonMessages += n
		} else {
			book.QueuedMessages += n
		}
	}
	sheet := book.Close()
	err = s.verify(ctx, &sheet)
	return sheet, err
}

// unaccounted counts the messages that failed for good and whose work nobody
// has done since.
func (s *site) unaccounted(ctx context.Context) (n int, err error) {
	for row, err := range s.usage.Tables.List(ctx, ledger.TableFailedMessages, "", "", "") {
		if err != nil {
			return 0, err
		}
		queue, _ := row.Props["queue"].(string)
		text, _ := row.Props["text"].(string)
		if !s.accounted(ctx, queue, text) {
			n++
		}
	}
	return n, nil
}

// quarantined reads which rows of which counted hour were refused. Rows of a
// blob that does not count (a duplicate, a conflict) are no refusals.
func (s *site) quarantined(ctx context.Context) (map[string]map[int]bool, error) {
	counts := map[string]bool{}
	for row, err := range s.usage.Tables.List(ctx, ledger.TableUsageHours, "", "", "") {
		if err != nil {
			return nil, err
		}
		if sha16, pointer := row.Props["counts"].(string); pointer {
			counts[row.Partition+"_"+row.Key+"_"+sha16] = true
		}
	}
	lines := map[string]map[int]bool{}
	for row, err := range s.usage.Tables.List(ctx, ledger.TableQuarantine, "", "", "") {
		if err != nil {
			return nil, err
		}
		if blob := row.Key[:strings.LastIndexByte(row.Key, '_')]; !counts[row.Partition+"_"+blob] {
			continue
		}
		day := row.Partition[strings.LastIndexByte(row.Partition, '_')+1:]
		hour := day + row.Key[:2]
		if lines[hour] == nil {
			lines[hour] = map[int]bool{}
		}
		n, _ := row.Props["line"].(int64)
		lines[hour][int(n)] = true
	}
	return lines, nil
}

// write puts the results below --out.
func (s *site) write(ctx context.Context, sheet balance.Sheet) error {
	text, err := json.MarshalIndent(sheet, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.o.out, "balance.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	for name, path := range map[string]string{"commerce-records.ndjson": "/v1/records.ndjson", "usage-details.csv": "/v1/usage-details.csv"} {
		if err := s.save(ctx, s.commerce+path, filepath.Join(s.o.out, name)); err != nil {
			return err
		}
	}
	dir := filepath.Join(s.o.out, "tables")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, table := range ledger.Tables() {
		if err := s.dump(ctx, table, filepath.Join(dir, table+".ndjson")); err != nil {
			return fmt.Errorf("dump table %s: %w", table, err)
		}
	}
	return nil
}

func (s *site) save(ctx context.Context, url, path string) error {
	body, err := get(ctx, url)
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

func (s *site) dump(ctx context.Context, table, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	for row, listErr := range s.usage.Tables.List(ctx, table, "", "", "") {
		if err = listErr; err != nil {
			break
		}
		out := maps.Clone(row.Props)
		out["PartitionKey"], out["RowKey"] = row.Partition, row.Key
		if err = enc.Encode(out); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}

// bill is what is read of commerce's bill.
type bill struct {
	Rounding   string
	Statements []struct {
		Month                 string
		BillingSubscriptionID string
		Total, Currency       string
		Lines                 []struct {
			MeterName, MeterID, Unit, MeterClass, Quantity, Rate, Amount, Currency, Note string
		}
	}
}

// printSummary prints the bill per meter and the balance sheet.
func (s *site) printSummary(ctx context.Context, sheet balance.Sheet, out io.Writer) error {
	body, err := get(ctx, s.commerce+"/v1/bill?format=json")
	if err != nil {
		return err
	}
	defer body.Close()
	var b bill
	if err := json.NewDecoder(body).Decode(&b); err != nil {
		return fmt.Errorf("read bill: %w", err)
	}
	for _, st := range b.Statements {
		fmt.Fprintf(out, "\nBill of %s for subscription %s, region Azure Stack\n\n", st.Month, st.BillingSubscriptionID)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(w, "meter\tclass\tquantity\tunit\trate\tamount\t\n")
		for _, l := range st.Lines {
			name := l.MeterName
			if name == "" {
				name = l.MeterID
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s %s\t\n", name, l.MeterClass, short(l.Quantity), l.Unit, l.Rate, l.Amount, l.Currency)
		}
		fmt.Fprintf(w, "total\t\t\t\t\t%s %s\t\n", st.Total, st.Currency)
		w.Flush()
	}
	fmt.Fprintf(out, "\nBalance sheet\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	uneven := 0
	days := map[string]bool{}
	for _, l := range sheet.Lines {
		days[l.UsageDay] = true
		if !l.Balanced {
			uneven++
		}
	}
	for _, line := range [][2]any{
		{"reported hours served", sheet.HoursServed}, {"reported hours that count", sheet.HoursCounted},
		{"rows served", sheet.RowsServed}, {"rows accepted", sheet.RowsAccepted}, {"rows quarantined", sheet.RowsQuarantined},
		{"usage days", strings.Join(slices.Sorted(maps.Keys(days)), " ")}, {"records billed", sheet.Records},
		{"sums compared (meter and day)", len(sheet.Lines)}, {"sums that differ", uneven},
		{"open days, revisions", fmt.Sprintf("%d, %d", sheet.OpenDays, sheet.OpenRevisions)},
		{"messages queued, poisoned, failed", fmt.Sprintf("%d, %d, %d", sheet.QueuedMessages, sheet.PoisonMessages, sheet.FailedMessages)},
	} {
		fmt.Fprintf(w, "%v\t%v\n", line[0], line[1])
	}
	w.Flush()
	for i, p := range sheet.Problems {
		if i == 10 {
			fmt.Fprintf(out, "and %d more problems: see balance.json\n", len(sheet.Problems)-i)
			break
		}
		fmt.Fprintln(out, "PROBLEM:", p)
	}
	if sheet.Balanced {
		fmt.Fprintln(out, "\nbalanced: every row served is billed or quarantined, to the last digit")
	} else {
		fmt.Fprintln(out, "\nNOT BALANCED")
	}
	fmt.Fprintln(out, "results:", s.o.out)
	return nil
}

// short shows at most eight decimals of a quantity; the files have them all.
func short(quantity string) string {
	whole, fraction, _ := strings.Cut(quantity, ".")
	if len(fraction) <= 8 {
		return quantity
	}
	return whole + "." + fraction[:8] + "..."
}

func (s *site) printAddresses(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"status of the app", s.host.URL() + "/api/status"},
		{"run Sweep now", "curl -X POST " + s.host.URL() + "/admin/functions/Sweep -H 'Content-Type: application/json' -d '{\"input\":\"\"}'"},
		{"usage API of the stack", s.stackURL},
		{"bill", s.commerce + "/v1/bill?format=csv"},
		{"usage details file", s.commerce + "/v1/usage-details.csv"},
		{"storage of the app", s.settings["UsageStorage"]},
		{"storage of the stacks", s.settings["LandingStorage"]},
		{"log", filepath.Join(s.o.out, "host.log")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	w.Flush()
	fmt.Fprintln(out, "running; interrupt to stop")
}
