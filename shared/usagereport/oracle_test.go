package usagereport_test

import (
	"fmt"
	"strings"
	"testing"

	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

// oracle adds up lines by state: quantity and lines of each.
func oracle(t testing.TB, s *scene, o usagereport.Options) map[string]string {
	quantities, lines := map[string]usage.Quantity{}, map[string]int64{}
	for l, err := range s.reader.Lines(t.Context(), usagelines.Query{CloudID: cloudID, First: o.Month.First(), Last: o.Month.Last(), ByUsageDay: o.ByUsageDay}) {
		ok(t, err)
		tenant := l.Tenant
		switch {
		case l.Infrastructure():
			tenant = "(infrastructure)"
		case tenant == "" && l.Day.Settlement == nil:
			tenant = "(not settled)"
		case tenant == "":
			tenant = "(no tenant)"
		}
		shown := l.Meter().Name
		if l.Infrastructure() {
			shown += " (admin)"
		}
		uri := strings.ToLower(l.ResourceURI)
		f := o.Only
		if f.Subscription != "" && usage.NormalGUID(f.Subscription) != usage.NormalGUID(l.SubscriptionID) || f.Tenant != "" && f.Tenant != tenant ||
			f.Meter != "" && f.Meter != shown && usage.NormalGUID(f.Meter) != usage.NormalGUID(l.MeterID) ||
			f.Resource != "" && strings.ToLower(f.Resource) != uri && strings.ToLower(f.Resource) != uri[strings.LastIndex(uri, "/")+1:] {
			continue
		}
		away, billed := l.CarriedAway, usagereport.Billed
		if l.CarriedFrom != 0 && o.ByUsageDay {
			away = away.Sub(l.Total)
		} else if l.CarriedFrom != 0 {
			billed = usagereport.CarriedIn
		}
		for state, q := range map[usagereport.State]usage.Quantity{billed: l.Billed, usagereport.CarriedAway: away, usagereport.Pending: l.Pending, usagereport.Declined: l.Declined,
			usagereport.Waived: l.Waived, usagereport.Unreported: l.Unreported} {
			if q.Sign() == 0 {
				continue
			}
			on := l.Day.Day
			if o.ByUsageDay {
				on = l.UsedOn()
			}
			k := fmt.Sprint(on, " ", usage.DashedGUID(l.SubscriptionID), " ", uri, " ", shown, " ", state)
			quantities[k] = quantities[k].Add(q)
			lines[k]++
		}
	}
	all := map[string]string{}
	for k, q := range quantities {
		if q.Sign() != 0 {
			all[k] = fmt.Sprint(q, " of ", lines[k])
		}
	}
	return all
}

// counted is what a report says of the same.
func counted(t testing.TB, s *scene, o usagereport.Options) map[string]string {
	o.Top, o.Compare, o.PerDay = 0, 0, false
	o.By = []string{"day", "subscription", "resource", "meter"}
	_, rows := report(t, s, o)
	all := map[string]string{}
	for _, r := range rows {
		all[fmt.Sprint(r.Day, " ", r.Subscription, " ", strings.ToLower(r.Resource), " ", r.Meter, " ", r.State)] = fmt.Sprint(r.Quantity, " of ", r.Lines)
	}
	return all
}
