// Package scenarios generates what a stand-in for Azure Stack serves: the usage of small
// stacks, row by row, as a stack writes it.
package scenarios

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stackusage/internal/devstack/azurestack"
)

// builders holds the inventories that can be generated, by name.
var builders = map[string]func(*generator){
	"three-days":      threeDays,
	"flawed-days":     flawedDays,
	"documented-test": documentedDay,

	"three-stacks/hamburg": hamburg,
	"three-stacks/munich":  munich,
	"three-stacks/berlin":  berlin,
}

// Names returns the names of the scenarios, sorted.
func Names() []string {
	var names []string
	for name := range maps.Keys(builders) {
		name, _, _ = strings.Cut(name, "/")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Generate returns the usage of a small stack. The subscriptions and
// resources of a scenario are always the same; quantities and the hour in which
// each row is reported follow from the seed, and the same seed gives the same
// bytes.
func Generate(name string, seed uint64) (*azurestack.Source, error) {
	build, known := builders[name]
	if !known {
		return nil, fmt.Errorf("make scenario %q: unknown; there are %s", name, strings.Join(Names(), ", "))
	}
	g := &generator{
		rng:   rand.New(rand.NewPCG(seed, 0x75736167)),
		hours: map[time.Time][]row{},
	}
	build(g)
	g.src.Hours = map[time.Time][]azurestack.Row{}
	for hour, rows := range g.hours {
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.sort, b.sort) })
		for _, r := range rows {
			g.src.Hours[hour] = append(g.src.Hours[hour], r.Row)
		}
	}
	// An empty first hour is still the one in which the registration starts.
	g.src.First = g.start
	return azurestack.NewSource(g.src), nil
}

// customer is a subscription of a company, by the key that its GUID is made from.
type customer struct{ key, name, company string }

// ownSubscriptions are the stack's own, the provider's first.
var ownSubscriptions = []customer{
	{"provider", "Default Provider Subscription", "operator"}, {"metering", "Metering Subscription", "operator"},
	{"consumption", "Consumption Subscription", "operator"},
}

func subscription(key string) string { return azurestack.GUID("subscription", key) }

// begin sets the days of a scenario and the subscriptions of its stack, the provider's
// first.
func (g *generator) begin(start time.Time, days int, all ...customer) {
	g.start, g.end = start, start.AddDate(0, 0, days)
	g.src.Region, g.src.Provider = "local", subscription(all[0].key)
	for _, c := range all {
		id := subscription(c.key)
		g.src.Subscriptions = append(g.src.Subscriptions, azurestack.NewSubscription(g.src.Provider, id, c.name, azurestack.Directory(c.company)))
		if c.company == "operator" {
			g.src.Infrastructure = append(g.src.Infrastructure, id)
		}
	}
}

// row is one usage row, and its order within its reported hour.
type row struct {
	azurestack.Row
	sort string
}

// generator turns resources into rows.
type generator struct {
	rng        *rand.Rand
	src        azurestack.Contents
	hours      map[time.Time][]row          // by reported hour
	start, end time.Time                    // usage hours
	only       struct{ from, to time.Time } // when what is added runs, unless it says so itself; zero means always
}

// resource emits rows while it runs.
type resource struct {
	subscription string
	group        string
	path         string // below the resource group: providers/...
	tags, info   string
	segment      string // how its provider spells resourceGroups
	meters       []*meter
	from, to     time.Time // runs in [from, to); zero means always
	daytime      bool      // runs from 8:00 to 18:00 only
	disk         bool      // its provider sometimes reports within the hour
}

// meter is one thing measured of a resource.
type meter struct {
	id       string
	quantity func(hour time.Time) amount
	split    bool // late pieces come as a row of their own
}

func (r *resource) runs(hour time.Time) bool {
	return (r.from.IsZero() || !hour.Before(r.from)) &&
		(r.to.IsZero() || hour.Before(r.to)) &&
		(!r.daytime || hour.Hour() >= 8 && hour.Hour() < 18)
}

// add emits the rows of a resource for every usage hour in which it runs.
func (g *generator) add(r *resource) {
	if r.from.IsZero() && r.to.IsZero() {
		r.from, r.to = g.only.from, g.only.to
	}
	for hour := g.start; hour.Before(g.end); hour = hour.Add(time.Hour) {
		if !r.runs(hour) {
			continue
		}
		lag := g.lag(r)
		group, segment := r.group, r.segment
		if g.chance(8) {
			group = strings.ToUpper(group)
		}
		if g.chance(5) {
			segment = swap(segment, "resourceGroups", "resourcegroups")
		}
		shout := g.chance(5)
		uri := "/subscriptions/" + r.subscription + "/" + segment + "/" + group + "/" + r.path
		for _, m := range r.meters {
			id := m.id
			if shout {
				id = swap(id, strings.ToUpper(id), strings.ToLower(id))
			}
			quantity := m.quantity(hour)
			if m.split && lag == 1 && g.chance(3) {
				late := quantity.part(g.rng.Int64N(100))
				g.row(r, hour, 2, uri, id, late)
				quantity = quantity.minus(late)
			}
			g.row(r, hour, lag, uri, id, quantity)
		}
	}
}

// lag draws how many hours after its usage hour a row is reported, in the
// proportions of the recorded hour: one mostly, two for some, none for a few
// rows of managed disks.
func (g *generator) lag(r *resource) int {
	switch {
	case r.disk && g.chance(5):
		return 0
	case g.chance(4):
		return 2
	default:
		return 1
	}
}

func (g *generator) row(r *resource, hour time.Time, lag int, uri, meterID string, quantity amount) {
	var inst azurestack.Instance
	inst.Resources.ResourceURI = uri
	inst.Resources.Location = g.src.Region
	inst.Resources.Tags = r.tags
	inst.Resources.AdditionalInfo = r.info
	name := r.subscription + "-" + meterID
	rec := azurestack.Record{
		ID:   "/subscriptions/" + g.src.Provider + "/providers/Microsoft.Commerce/UsageAggregate/" + name,
		Name: name,
		Type: "Microsoft.Commerce/UsageAggregate",
		Properties: azurestack.Properties{
			SubscriptionID: r.subscription,
			UsageStartTime: hour.Format(azurestack.TimeLayout),
			UsageEndTime:   hour.Add(time.Hour).Format(azurestack.TimeLayout),
			InstanceData:   string(azurestack.Encode(inst)),
			Quantity:       json.Number(quantity.String()),
			MeterID:        meterID,
			Name:           name,
		},
	}
	reported := hour.Add(time.Duration(lag) * time.Hour)
	g.hours[reported] = append(g.hours[reported], row{
		Row:  azurestack.Row{Raw: azurestack.Encode(rec), Subscription: r.subscription, Usage: hour},
		sort: strings.ToLower(name),
	})
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// swap returns whichever of a and b text is not.
func swap(text, a, b string) string {
	if text == a {
		return b
	}
	return a
}
