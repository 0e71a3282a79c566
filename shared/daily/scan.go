package daily

import (
	"encoding/json"

	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// scanner reads the lines of one file as encode.go writes them. What it does not read,
// encoding/json does: whether a line is sound is decided there. A test compares the two.
// It remembers the line before, which shares most of its texts with the next.
type scanner struct {
	subscription, resource, meter, location, tags, info linefile.Known
	model, billing, commerceMeter, class                linefile.Known
}

// decoded is a line that no scanner reads. The value is on the heap, which those that are
// scanned are not.
func decoded[T any](r *linefile.Reader, line []byte) (v T, err error) {
	err = r.Decode(line, &v)
	return v, err
}

// sum reads a line of a partial.
func (n *scanner) sum(line string, s *Sum) bool {
	c := linefile.NewCursor(line)
	c.Skip("{")
	n.readShown(&c, &s.Shown)
	c.Skip(`,"quantity":`)
	s.Quantity = readQuantity(&c)
	c.Skip(`,"hours":`)
	s.Hours = readHours(&c)
	c.Skip(`,"rows":`)
	s.Rows = c.Int()
	c.Skip("}")
	return c.Done()
}

// line reads a line of a daily file.
func (n *scanner) line(line string, l *DayLine) bool {
	c := linefile.NewCursor(line)
	c.Skip("{")
	n.readShown(&c, &l.Shown)
	c.Skip(`,"billingModel":`)
	l.BillingModel = registration.BillingModel(c.String(&n.model))
	c.Skip(`,"billingSubscriptionId":`)
	l.BillingSubscriptionID = c.String(&n.billing)
	if c.Has(`,"commerceMeterId":`) {
		l.CommerceMeterID = c.String(&n.commerceMeter)
	}
	c.Skip(`,"meterClass":`)
	l.MeterClass = meter.Class(c.String(&n.class))
	if c.Has(`,"reporting":`) {
		l.Reporting = c.Quoted()
	}
	known := true
	if c.Has(`,"carriedFrom":`) {
		known = l.CarriedFrom.UnmarshalText([]byte(c.Quoted())) == nil
	}
	c.Skip(`,"rows":`)
	l.Rows = c.Int()
	c.Skip(`,"total":`)
	l.Total = readQuantity(&c)
	c.Skip(`,"hours":`)
	l.Hours = readHours(&c)
	c.Skip(`,"before":`)
	l.Before = readQuantity(&c)
	if c.Has(`,"corrects":`) {
		l.Corrects = c.Quoted()
	}
	if c.Has(`,"waived":`) {
		l.Waived = readQuantity(&c)
	}
	if c.Has(`,"carried":`) {
		l.Carried = readQuantity(&c)
	}
	if c.Has(`,"record":`) {
		l.Record = json.RawMessage(c.Object())
	}
	c.Skip("}")
	return c.Done() && known
}

func (n *scanner) readShown(c *linefile.Cursor, s *usage.Shown) {
	c.Skip(`"subscriptionId":`)
	s.SubscriptionID = c.String(&n.subscription)
	c.Skip(`,"resourceUri":`)
	s.ResourceURI = c.String(&n.resource)
	c.Skip(`,"meterId":`)
	s.MeterID = c.String(&n.meter)
	if c.Has(`,"location":`) {
		s.Location = c.String(&n.location)
	}
	if c.Has(`,"tags":`) {
		s.Tags = c.String(&n.tags)
	}
	if c.Has(`,"additionalInfo":`) {
		s.AdditionalInfo = c.String(&n.info)
	}
}

func readQuantity(c *linefile.Cursor) usage.Quantity {
	q, err := usage.ParseSum(c.Quoted())
	if err != nil {
		c.Stop()
	}
	return q
}

func readHours(c *linefile.Cursor) (set usage.HourSet) {
	if c.Has("[]") {
		return 0
	}
	c.Skip("[")
	for more := true; more; more = c.Has(",") {
		n := c.Int()
		if n < 0 || n > 23 {
			c.Stop()
			return 0
		}
		set = set.With(int(n))
	}
	c.Skip("]")
	return set
}
