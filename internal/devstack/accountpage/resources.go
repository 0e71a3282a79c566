package accountpage

import (
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// mostResources is how many resources a list shows. The usage details file has all of them.
const mostResources = 100

// resourceList is a list of resources.
type resourceList struct {
	Shown  []resourceView
	More   int    // how many are not shown
	Others string // what those cost together
	Amount string // what all cost
}

// Count is how many resources there are.
func (l resourceList) Count() int { return len(l.Shown) + l.More }

// resourceView is what one resource cost. Exact is the amount in full, empty if Amount is it.
type resourceView struct {
	Name, Kind, URI, Amount, Exact string
	Meters                         []resourceMeterView
	Unpriced                       int
}

type resourceMeterView struct {
	Meter, Quantity, Unit, Rate, Amount, Exact string // Rate and Amount are empty where no price is known
}

// resourcesOf parts the resources: those that are charged, the dearest first, and the rest.
func resourcesOf(costs resourceCosts) (charged, rest resourceList, err error) {
	rest.Others = "0.0000"
	var others apd.Decimal
	for _, r := range costs.Resources {
		amount, err := number(r.Amount)
		if err != nil {
			return charged, rest, err
		}
		list := &charged
		if amount.IsZero() {
			list = &rest
		}
		if len(list.Shown) == mostResources {
			list.More++
			if _, err := exactly.Add(&others, &others, amount); err != nil {
				return charged, rest, err
			}
			continue
		}
		v, err := resourceOf(r)
		if err != nil {
			return charged, rest, err
		}
		list.Shown = append(list.Shown, v)
	}
	if charged.Others, err = fourDecimals(others.Text('f')); err != nil {
		return charged, rest, err
	}
	charged.Amount, err = fourDecimals(costs.Amount)
	return charged, rest, err
}

func resourceOf(r resourceCost) (v resourceView, err error) {
	v = resourceView{URI: r.ResourceURI, Unpriced: r.Unpriced}
	v.Name, v.Kind = resourceText(r.ResourceURI)
	if v.Amount, v.Exact, err = shortened(r.Amount); err != nil {
		return v, err
	}
	for _, m := range r.Meters {
		line := resourceMeterView{Meter: meterText(m.MeterSubCategory, m.MeterName), Quantity: m.Quantity, Unit: m.Unit, Rate: m.Rate}
		if m.Rate != "" {
			if line.Amount, line.Exact, err = shortened(m.Amount); err != nil {
				return v, err
			}
		}
		v.Meters = append(v.Meters, line)
	}
	if v.Unpriced == len(v.Meters) {
		v.Amount = "not priced" // zero would say that it is free
	}
	return v, nil
}

// shortened is an amount with four decimals, and in full if that says more.
func shortened(text string) (short, full string, err error) {
	if short, err = fourDecimals(text); err != nil {
		return "", "", err
	}
	a, err := number(text)
	if err != nil {
		return "", "", err
	}
	if b, err := number(short); err != nil || a.Cmp(b) == 0 {
		return short, "", err
	}
	return short, text, nil
}

// resourceText is the name of a resource, and its type with its resource group. A URI of
// another form is its own name.
func resourceText(uri string) (name, kind string) {
	segments := strings.Split(strings.Trim(uri, "/"), "/")
	group, types := "", []string(nil)
	for i := 0; i+1 < len(segments); i += 2 {
		switch {
		case strings.EqualFold(segments[i], "resourceGroups"):
			group = segments[i+1]
		case strings.EqualFold(segments[i], "providers"):
			for i += 2; i+1 < len(segments); i += 2 {
				types, name = append(types, segments[i]), segments[i+1]
			}
		}
	}
	if name == "" || len(segments)%2 != 0 {
		return uri, ""
	}
	if kind = strings.Join(types, "/"); group != "" {
		kind += " in " + group
	}
	return name, kind
}
