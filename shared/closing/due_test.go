package closing_test

import (
	"errors"
	"testing"
	"time"

	"stackusage/shared/closing"
	"stackusage/shared/daybook"
	"stackusage/shared/usage"
)

// TestDue is every case of the one rule for when a day gets its next revision.
func TestDue(t *testing.T) {
	day, err := usage.ParseDay("2019-12-10")
	if err != nil {
		t.Fatal(err)
	}
	rules := closing.Rules{SettlingHours: 6, CloseDelay: 48 * time.Hour, ReopenDelay: 6 * time.Hour, LatenessLimit: 30 * 24 * time.Hour}
	end, never := day.End(), time.Time{}
	missing := []usage.Hour{day.First() + 23}
	closed := end.Add(72 * time.Hour)
	last := func(change func(*daybook.Revision)) *daybook.Revision {
		r := daybook.Revision{Number: 1, ClosedAt: closed, Complete: true}
		change(&r)
		return &r
	}
	complete := last(func(*daybook.Revision) {})
	gap := last(func(r *daybook.Revision) { r.Complete = false })
	attempt := func(n int64) *daybook.Revision { return last(func(r *daybook.Revision) { r.Attempt = n }) }
	gapBefore := last(func(r *daybook.Revision) { r.Complete, r.ClosedAt = false, closed.Add(-30*24*time.Hour) })
	gapAfter := last(func(r *daybook.Revision) { r.Complete, r.ClosedAt = false, closed.Add(47*time.Hour) })
	byHand := func(s closing.State) closing.State {
		s.ByHand, s.LastLanding = true, closed
		return s
	}
	declined := func(s closing.State) closing.State {
		s.Declined, s.OnlyDeclined, s.DeclinedSince = true, true, closed
		return s
	}
	for name, c := range map[string]struct {
		state closing.State
		now   time.Time
		due   bool
		until time.Time // if it is not due
	}{
		"never closed, nothing is missing":                              {closing.State{}, end, true, never},
		"hours are missing, before the deadline":                        {closing.State{Missing: missing}, end.Add(48*time.Hour - 1), false, end.Add(48 * time.Hour)},
		"hours are missing, at the deadline":                            {closing.State{Missing: missing}, end.Add(48 * time.Hour), true, never},
		"registered later, before the deadline":                         {closing.State{Missing: missing, Registered: end.Add(time.Hour)}, end.Add(48 * time.Hour), false, end.Add(49 * time.Hour)},
		"landed later, before the deadline":                             {closing.State{Missing: missing, Registered: end.Add(time.Hour), FirstLanding: end.Add(2 * time.Hour)}, end.Add(49 * time.Hour), false, end.Add(50 * time.Hour)},
		"landed before the end":                                         {closing.State{Missing: missing, FirstLanding: end.Add(-time.Hour)}, end.Add(48 * time.Hour), true, never},
		"by hand, nothing is missing":                                   {byHand(closing.State{}), end, true, never},
		"by hand, hours are missing, after the first landing":           {byHand(closing.State{Missing: missing, FirstLanding: end.Add(time.Hour)}), end.Add(49 * time.Hour), false, closed.Add(48 * time.Hour)},
		"by hand, hours are missing, before the deadline of the import": {byHand(closing.State{Missing: missing}), closed.Add(48*time.Hour - 1), false, closed.Add(48 * time.Hour)},
		"by hand, hours are missing, at the deadline of the import":     {byHand(closing.State{Missing: missing}), closed.Add(48 * time.Hour), true, never},
		"by hand, hours of the next delivery land":                      {byHand(closing.State{Last: gapBefore, Missing: missing}), closed.Add(time.Hour), false, closed.Add(48 * time.Hour)},
		"by hand, the next delivery has all hours":                      {byHand(closing.State{Last: gapBefore}), closed, true, never},
		"by hand, the next delivery lacks some":                         {byHand(closing.State{Last: gapBefore, Missing: missing}), closed.Add(48 * time.Hour), true, never},
		"by hand, just closed":                                          {byHand(closing.State{Last: gapAfter, Missing: missing}), closed.Add(48 * time.Hour), false, closed.Add(53 * time.Hour)},
		"by hand, complete, something came later":                       {byHand(closing.State{Last: complete}), closed.Add(6 * time.Hour), true, never},
		"by hand, requested, hours missing":                             {byHand(closing.State{Last: gap, Missing: missing, Requested: true}), closed, true, never},
		"never closed and requested, hours missing":                     {closing.State{Missing: missing, Requested: true}, end, false, end.Add(48 * time.Hour)},
		"closed, something came at once":                                {closing.State{Last: complete}, closed.Add(6*time.Hour - 1), false, closed.Add(6 * time.Hour)},
		"closed, something came later":                                  {closing.State{Last: complete}, closed.Add(6 * time.Hour), true, never},
		"closed with a gap that is filled":                              {closing.State{Last: gap}, closed, true, never},
		"closed with a gap that is still there":                         {closing.State{Last: gap, Missing: missing}, closed.Add(6*time.Hour - 1), false, closed.Add(6 * time.Hour)},
		"closed with a gap, later":                                      {closing.State{Last: gap, Missing: missing}, closed.Add(6 * time.Hour), true, never},
		"requested":                                                     {closing.State{Last: complete, Requested: true}, closed, true, never},
		"requested, hours missing":                                      {closing.State{Last: gap, Missing: missing, Requested: true}, closed, true, never},
		"declined, within the hour":                                     {declined(closing.State{Last: attempt(0)}), closed.Add(time.Hour - 1), false, closed.Add(time.Hour)},
		"declined, after an hour":                                       {declined(closing.State{Last: attempt(0)}), closed.Add(time.Hour), true, never},
		"declined again, within six hours":                              {declined(closing.State{Last: attempt(1)}), closed.Add(6*time.Hour - 1), false, closed.Add(6 * time.Hour)},
		"declined again, after six hours":                               {declined(closing.State{Last: attempt(1)}), closed.Add(6 * time.Hour), true, never},
		"declined a third time":                                         {declined(closing.State{Last: attempt(2)}), closed.Add(24*time.Hour - 1), false, closed.Add(24 * time.Hour)},
		"declined many times":                                           {declined(closing.State{Last: attempt(99)}), closed.Add(24 * time.Hour), true, never},
		"declined, and commerce takes the day no more":                  {declined(closing.State{Last: attempt(0)}), end.Add(30 * 24 * time.Hour), false, never},
		"declined, at the last moment":                                  {declined(closing.State{Last: attempt(0)}), end.Add(30*24*time.Hour - 1), true, never},
		"declined as Expired":                                           {declined(closing.State{Last: attempt(0), Expired: true}), closed.Add(time.Hour), false, never},
		"declined and requested":                                        {declined(closing.State{Last: attempt(0), Requested: true, Expired: true}), closed, true, never},
		"declined, reporting is off":                                    {declined(closing.State{Last: attempt(0), ReportingOff: true}), closed.Add(time.Hour), false, never},
		"declined and requested, reporting is off":                      {declined(closing.State{Last: attempt(0), ReportingOff: true, Requested: true}), closed, false, never},
		"declined, and hours came at once":                              {closing.State{Last: complete, Declined: true, DeclinedSince: closed}, closed.Add(time.Hour), false, closed.Add(6 * time.Hour)},
		"declined, and hours came later":                                {closing.State{Last: complete, Declined: true, DeclinedSince: closed}, closed.Add(6 * time.Hour), true, never},
	} {
		c.state.CloudID, c.state.Day = "b31316d4-de02-43a4-903d-eb74f8258b01", day
		err := rules.Due(c.state, c.now)
		waits, isWait := errors.AsType[*closing.NotDue](err)
		switch {
		case c.due != (err == nil) || err != nil && !isWait:
			t.Errorf("%s: %v", name, err)
		case isWait && (!waits.Until.Equal(c.until) || waits.Reason == "" || waits.Day != day):
			t.Errorf("%s: %+v, want until %s", name, waits, c.until)
		}
	}
	rules.LatenessLimit = 0
	if err := rules.Due(declined(closing.State{Day: day, Last: attempt(0)}), end.Add(1000*24*time.Hour)); err != nil {
		t.Errorf("without a lateness limit: %v", err)
	}
}
