package usagereport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stackusage/shared/strictjson"
	"stackusage/shared/usagesums"
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
func (r *run) groupOf(o *owner, t *term, tags []string, uri string) string {
	values := make([]string, len(r.o.By))
	for i, d := range r.o.By {
		switch d {
		case Subscription:
			values[i] = o.subscription
		case Tenant:
			if values[i] = o.tenant; t.admin {
				values[i] = Infrastructure
			}
		case Resource:
			values[i] = uri
		case Day:
			values[i] = t.day
		case Registration:
			values[i] = t.registration
		case Meter:
		default:
			values[i], tags = tags[0], tags[1:]
		}
	}
	return strings.Join(values, "\x00")
}

// tenantOf is the tenant of usage that is not of the stack's own subscriptions.
func tenantOf(o usagesums.Owner, settled bool) string {
	switch {
	case o.Tenant != "":
		return o.Tenant
	case !settled:
		return NotSettled
	}
	return NoTenant
}

// tagger numbers the values of the tags that are grouped by.
type tagger struct {
	by     []string         // names in lower case
	texts  map[string]int32 // tags of records
	groups table[string]
	values [][]string // of groups
}

func newTagger(o Options) tagger {
	t := tagger{}
	for _, d := range o.By {
		if name, is := strings.CutPrefix(d, tagPrefix); is {
			t.by = append(t.by, strings.ToLower(name))
		}
	}
	t.clear()
	return t
}

func (t *tagger) clear() {
	t.texts, t.groups, t.values = map[string]int32{}, table[string]{}, nil
	if len(t.by) == 0 {
		t.values = [][]string{nil}
	}
}

// number is that of the values that tags have.
func (t *tagger) number(text []byte) int32 {
	if len(t.by) == 0 {
		return 0
	}
	if n, is := t.texts[string(text)]; is {
		return n
	}
	of := readTags(string(text))
	values := make([]string, len(t.by))
	for i, name := range t.by {
		values[i] = of.value(name)
	}
	n := t.groups.number(strings.Join(values, "\x00"))
	if int(n) == len(t.values) {
		t.values = append(t.values, values)
	}
	t.texts[string(text)] = n
	return n
}

// value is that of a tag, whose name is in lower case.
func (t *tags) value(name string) string {
	if t.unreadable {
		return Unreadable
	}
	value, there := t.values[name]
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
	if len(text) > usagesums.MaxTags || strictjson.Unmarshal([]byte(text), &values) != nil {
		return &tags{unreadable: true}
	}
	t := &tags{values: make(map[string]string, len(values))}
	for name, value := range values {
		t.values[strings.ToLower(name)] = value
	}
	t.unreadable = len(t.values) < len(values) // Azure's names of tags are the same in any case: one of them would be left to chance
	return t
}
