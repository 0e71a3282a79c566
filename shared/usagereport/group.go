package usagereport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stackusage/shared/strictjson"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// Dimensions that usage is grouped by.
const (
	Meter        = "meter"
	Subscription = "subscription" // the stack's
	Tenant       = "tenant"
	Resource     = "resource"
	Day          = "day"
	Registration = "registration"
	tagPrefix    = "tag:"
)

// Groups of what has no value of a dimension.
const (
	Infrastructure = "(infrastructure)" // usage of the stack's own subscriptions, which is of no tenant
	NoTenant       = "(no tenant)"      // the stack has named none
	NotSettled     = "(not settled)"    // the day was only ever closed with usage reporting off
	NoTag          = "(no tag)"
	Unreadable     = "(unreadable)" // tags that are no JSON object of texts, or too long to be kept
)

// maxTags bounds tags that records keep: of longer ones they have a hash alone.
const maxTags = 16 << 10

// ParseDimensions reads meter,tenant,tag:NAME.
func ParseDimensions(text string) (by []string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		switch name, isTag := strings.CutPrefix(part, tagPrefix); {
		case isTag && name == "":
			return nil, fmt.Errorf("dimension %q: want the name of a tag, for example tag:department", part)
		case !isTag && !slices.Contains([]string{Meter, Subscription, Tenant, Resource, Day, Registration}, part):
			return nil, fmt.Errorf("dimension %q: want meter, subscription, tenant, resource, day, registration or tag:NAME", part)
		case slices.Contains(by, part):
			return nil, fmt.Errorf("dimension %q: named twice", part)
		}
		by = append(by, part)
	}
	return by, nil
}

// groupOf is the values of the dimensions, in their order. Meters are apart.
func (r *run) groupOf(l *usagelines.Line) string {
	values := r.values[:0]
	for _, d := range r.o.By {
		value := ""
		switch d {
		case Subscription:
			value = usage.DashedGUID(l.SubscriptionID)
		case Tenant:
			value = tenantOf(l)
		case Resource:
			value = strings.ToLower(l.ResourceURI)
		case Day:
			value = r.dayOf(l)
		case Registration:
			value = l.Day.CloudID
		case Meter:
		default:
			value = r.tagOf(l.Tags, strings.TrimPrefix(d, tagPrefix))
		}
		values = append(values, value)
	}
	r.values = values
	return strings.Join(values, "\x00")
}

func tenantOf(l *usagelines.Line) string {
	switch {
	case l.Infrastructure():
		return Infrastructure
	case l.Tenant == "" && l.Day.Settlement == nil:
		return NotSettled
	case l.Tenant == "":
		return NoTenant
	}
	return usage.DashedGUID(l.Tenant)
}

// dayOf is the day of a line: that is billed, or of its usage. Where months are compared
// it is the day of the month.
func (r *run) dayOf(l *usagelines.Line) string {
	day := l.Day.Day
	if r.o.ByUsageDay {
		day = l.UsedOn()
	}
	if r.o.Compare != 0 {
		return day.Start().Format("02")
	}
	return day.String()
}

// tagOf is the value of a tag, whose name is in any case. The tags of the line before are
// remembered: lines of a resource follow each other.
func (r *run) tagOf(text, name string) string {
	if text != r.tagText || r.tags == nil {
		r.tagText, r.tags = text, readTags(text)
	}
	if r.tags.unreadable {
		return Unreadable
	}
	value, there := r.tags.values[strings.ToLower(name)]
	if !there {
		return NoTag
	}
	if strings.HasPrefix(value, "(") || strings.HasPrefix(value, `"`) { // not to be taken for a group of ours
		return strconv.Quote(value)
	}
	return value
}

// tags are those of a line, by name in lower case.
type tags struct {
	values     map[string]string
	unreadable bool
}

func readTags(text string) *tags {
	if text == "" || text == "null" {
		return &tags{}
	}
	var values map[string]string
	if len(text) > maxTags || strictjson.Unmarshal([]byte(text), &values) != nil {
		return &tags{unreadable: true}
	}
	t := &tags{values: make(map[string]string, len(values))}
	for name, value := range values {
		t.values[strings.ToLower(name)] = value
	}
	t.unreadable = len(t.values) < len(values) // Azure's names of tags are the same in any case: one of them would be left to chance
	return t
}
