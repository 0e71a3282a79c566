package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// flawedDays is two days of a smaller stack on which some things are wrong, so
// that every table and container of the receiving side has something to hold:
//   - contoso/test is the documented test, fabrikam/development runs in the
//     daytime, and fabrikam/batch makes 260 machines for an hour of each day, so
//     that a day has more than one batch;
//   - every ninth reported hour has rows that must be refused, beside good ones;
//   - some rows of the first day are reported in the afternoon of the second,
//     when the first may have been stated.
func flawedDays(g *generator) {
	g.begin(time.Date(2024, time.May, 14, 0, 0, 0, 0, time.UTC), 2, ownSubscriptions[0],
		customer{"contoso/test", "contoso test", "contoso"},
		customer{"fabrikam/development", "fabrikam development", "fabrikam"},
		customer{"fabrikam/batch", "fabrikam batch", "fabrikam"})
	g.documentedTest()
	g.development()
	batch, test := subscription("fabrikam/batch"), subscription("contoso/test")
	for day := range 2 {
		for i := range 260 {
			vm := g.vm(batch, "render", fmt.Sprintf("frame%d%03d", day, i), "Standard_F2s", 2, ubuntu, noTags)
			vm.from = g.start.AddDate(0, 0, day).Add(14 * time.Hour)
			vm.to = vm.from.Add(time.Hour)
			g.add(vm)
		}
	}
	g.late(test)
	g.refused(test)
}

// late reports hours of the first day 12 to 18 hours after the day has ended.
func (g *generator) late(sub string) {
	r := g.storage(sub, "archive", "archivelate")
	uri := "/subscriptions/" + r.subscription + "/resourceGroups/archive/" + r.path
	for i := range 6 {
		hour := g.start.Add(time.Duration(3+2*i) * time.Hour)
		lag := int(g.start.Add(time.Duration(36+i)*time.Hour).Sub(hour) / time.Hour)
		for _, m := range r.meters {
			g.row(r, hour, lag, uri, m.id, m.quantity(hour))
		}
	}
}

// refused adds rows that no receiver may count.
func (g *generator) refused(sub string) {
	for n := 4; n < 48; n += 9 {
		hour := g.start.Add(time.Duration(n) * time.Hour)
		for _, change := range [][2]string{
			{`"quantity":1.0`, `"quantity":-1.0`},
			{`"quantity":1.0`, `"quantity":1e1000000`},
			{`"meterId":"` + meterStaticIP, `"meterId":"none`},
		} {
			r := g.address(sub, "broken", fmt.Sprintf("broken%02d", n), meterStaticIP)
			g.row(r, hour, 1, "/subscriptions/"+sub+"/resourceGroups/broken/"+r.path, meterStaticIP, amount{1, 1})
			rows := g.hours[hour.Add(time.Hour)]
			bad := &rows[len(rows)-1]
			bad.Raw = json.RawMessage(bytes.Replace(bad.Raw, []byte(change[0]), []byte(change[1]), 1))
		}
	}
}
