package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"stackusage/cmd/devstack/results"
	"stackusage/internal/devstack/balance"
	"stackusage/shared/azurestore"
	"stackusage/shared/table"
)

// stuck is how long run waits without seeing anything move.
const stuck = 2 * time.Minute

// waitUntilBilled sweeps until every hour is ingested, every day closed and every
// record sent, and no message waits. Sweep empties the poison queues, too.
func (s *site) waitUntilBilled(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	hours := int(s.stack.End().Sub(s.stack.First()) / time.Hour)
	last, moved, swept := "", time.Now(), time.Time{}
	for {
		ingested, _, err := s.hours(ctx)
		if err == nil && ingested >= hours && time.Since(swept) >= s.sweepEvery {
			swept = time.Now()
			err = s.sweep(ctx)
		}
		var st status
		if err == nil {
			st, err = s.status(ctx)
		}
		if err == nil {
			unanswered := 0
			for _, r := range st.OpenRevisions {
				unanswered += r.PendingBatches
			}
			if now := fmt.Sprintf("%d of %d hours ingested, %d days open, %d batches without an outcome", ingested, hours, len(st.OpenDays), unanswered); now != last {
				s.progress("%s", now)
				last, moved = now, time.Now()
			}
			if ingested >= hours && st.settled() {
				return nil
			}
		} else if ctx.Err() == nil {
			s.log.Warn("status unknown", "error", err)
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

// hours counts the landed blobs that were ingested and the hours that are in the bill.
func (s *site) hours(ctx context.Context) (ingested, counted int, err error) {
	for row, err := range s.usage.Tables.List(ctx, table.UsageHours, "", "", "") {
		if err != nil {
			return 0, 0, err
		}
		if len(row.Key) == 2 {
			counted++
		} else {
			ingested++
		}
	}
	return ingested, counted, nil
}

// results makes the balance sheet from what the stack served and what
// commerce accepted.
func (s *site) results(ctx context.Context) (balance.Sheet, error) {
	var book balance.Book
	quarantined, err := results.Quarantined(ctx, s.usage.Tables)
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
	landed, err := azurestore.Connect(s.setting, "LandingStorage")
	if err != nil {
		return sheet, err
	}
	err = results.Verify(ctx, s.usage, landed, s.dir, &sheet, s.progress)
	return sheet, err
}

// unaccounted counts the messages that failed for good and whose work nobody
// has done since.
func (s *site) unaccounted(ctx context.Context) (n int, err error) {
	for row, err := range s.usage.Tables.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return 0, err
		}
		text, _ := row.Props["text"].(string)
		if !s.accounted(ctx, text) {
			n++
		}
	}
	return n, nil
}
