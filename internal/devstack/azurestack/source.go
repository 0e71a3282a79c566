package azurestack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Source is what one stack has to serve: its rows by reported hour and the
// facts about it. It does not change once made.
type Source struct {
	provider       string
	region, domain string
	infrastructure []string
	subscriptions  []Subscription
	hours          map[time.Time][]Row
	order          []time.Time // keys of hours, ascending
	first, end     time.Time
}

// Row is one usage row: its bytes, and what is needed to choose it.
type Row struct {
	Raw          json.RawMessage
	Subscription string    // lower case
	Usage        time.Time // start of the usage hour
}

// Contents are what a source is made of.
type Contents struct {
	Provider       string // its subscription
	Region         string
	Infrastructure []string // the stack's own subscriptions, the provider's first
	Subscriptions  []Subscription
	Hours          map[time.Time][]Row // by reported hour, at least one
	First          time.Time           // the hour in which the registration starts
}

// domain is that of every stack.
const domain = "azurestack.external"

// NewSource returns a source of these contents.
func NewSource(c Contents) *Source {
	s := &Source{
		provider: c.Provider, region: c.Region, domain: domain, infrastructure: c.Infrastructure, subscriptions: c.Subscriptions, hours: c.Hours,
	}
	s.settle()
	s.first = c.First
	return s
}

// Subscription is an entry of the provider's list of subscriptions.
type Subscription struct {
	ID                              string `json:"id"`
	SubscriptionID                  string `json:"subscriptionId"`
	DelegatedProviderSubscriptionID string `json:"delegatedProviderSubscriptionId"`
	DisplayName                     string `json:"displayName"`
	Owner                           string `json:"owner"`
	TenantID                        string `json:"tenantId"` // directory tenant, a GUID
	RoutingResourceManagerType      string `json:"routingResourceManagerType"`
	OfferID                         string `json:"offerId"`
	State                           string `json:"state"`
}

const recordingLayout = "2006-01-02T15"

// Recordings reads a folder of recorded answers. A file YYYY-MM-DDTHH.json is
// the whole answer for that reported hour, {"value":[...]}; other files are
// ignored. It fails on a folder without a recorded hour and on an answer that
// names a next page. Rows are served as they are, however odd: what to think of
// them is the client's business.
func Recordings(dir string) (*Source, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read recordings: %w", err)
	}
	src := &Source{domain: domain, hours: map[time.Time][]Row{}}
	for _, f := range files {
		hour, err := time.Parse(recordingLayout+".json", f.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read recording: %w", err)
		}
		if src.hours[hour], err = src.answer(text); err != nil {
			return nil, fmt.Errorf("read recording %s: %w", f.Name(), err)
		}
	}
	if len(src.hours) == 0 {
		return nil, fmt.Errorf("read recordings %s: no file named YYYY-MM-DDTHH.json", dir)
	}
	if src.provider == "" {
		src.provider = GUID("provider", "recordings")
	}
	if src.region == "" {
		src.region = "local"
	}
	src.infrastructure = []string{src.provider}
	src.settle()
	src.list()
	return src, nil
}

// answer takes the rows of one recorded answer, and from them the stack's
// provider subscription and region.
func (s *Source) answer(text []byte) ([]Row, error) {
	var body struct {
		Value    []json.RawMessage `json:"value"`
		NextLink string            `json:"nextLink"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &body); err != nil {
		return nil, err
	}
	if body.Value == nil {
		return nil, errors.New("no value")
	}
	if body.NextLink != "" {
		return nil, errors.New("nextLink: the recording is one page of several")
	}
	rows := make([]Row, len(body.Value))
	for i, raw := range body.Value {
		var rec struct {
			ID         string `json:"id"`
			Properties struct {
				SubscriptionID string          `json:"subscriptionId"`
				UsageStartTime string          `json:"usageStartTime"`
				InstanceData   json.RawMessage `json:"instanceData"`
			} `json:"properties"`
		}
		rows[i] = Row{Raw: raw}
		_ = json.Unmarshal(raw, &rec) // of an odd row as much as can be read
		rows[i].Subscription = strings.ToLower(rec.Properties.SubscriptionID)
		if usage, err := parseTime(rec.Properties.UsageStartTime); err == nil {
			rows[i].Usage = usage
		}
		if parts := strings.Split(rec.ID, "/"); s.provider == "" && len(parts) > 2 && parts[1] == "subscriptions" && uuid.Validate(parts[2]) == nil {
			s.provider = strings.ToLower(parts[2])
		}
		if s.region == "" {
			s.region = regionOf(rec.Properties.InstanceData)
		}
	}
	return rows, nil
}

// regionOf reads the stack's region from instanceData, which is JSON in a
// string or, in an odd row, JSON.
func regionOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var inst Instance
	_ = json.Unmarshal(raw, &inst) // "" then
	return inst.Resources.Location
}

// settle derives the order and the bounds of the reported hours.
func (s *Source) settle() {
	for hour := range s.hours {
		s.order = append(s.order, hour)
	}
	slices.SortFunc(s.order, time.Time.Compare)
	s.first = s.order[0]
	s.end = s.order[len(s.order)-1].Add(time.Hour)
	for hour, rows := range s.hours {
		for _, r := range rows {
			if r.Usage.After(hour) {
				continue // no usage: it would have the run go on to the end of time
			}
			settled := r.Usage.Truncate(24 * time.Hour).Add((24 + SettlingHours) * time.Hour)
			if settled.After(s.end) {
				s.end = settled
			}
		}
	}
}

// list makes a list of subscriptions for rows that came without one: all in one
// directory.
func (s *Source) list() {
	seen := map[string]bool{s.provider: true}
	ids := []string{s.provider}
	for _, hour := range s.order {
		for _, r := range s.hours[hour] {
			if !seen[r.Subscription] && uuid.Validate(r.Subscription) == nil {
				seen[r.Subscription] = true
				ids = append(ids, r.Subscription)
			}
		}
	}
	slices.Sort(ids[1:])
	for i, id := range ids {
		name := "Default Provider Subscription"
		if i > 0 {
			name = fmt.Sprintf("tenant subscription %03d", i)
		}
		s.subscriptions = append(s.subscriptions, NewSubscription(s.provider, id, name, Directory("contoso")))
	}
}

// NewSubscription returns an entry of a provider's list: an enabled subscription in a
// directory tenant.
func NewSubscription(provider, id, name, tenant string) Subscription {
	return Subscription{
		ID:                              "/subscriptions/" + provider + "/providers/Microsoft.Subscriptions.Admin/subscriptions/" + id,
		SubscriptionID:                  id,
		DelegatedProviderSubscriptionID: provider,
		DisplayName:                     name,
		Owner:                           "operator@contoso.onmicrosoft.com",
		TenantID:                        tenant,
		RoutingResourceManagerType:      "Default",
		OfferID:                         "/delegatedProviders/" + provider + "/offers/standard",
		State:                           "Enabled",
	}
}

// between returns the rows reported in [start, end), of one subscriber unless
// that is empty, hour by hour in the order in which they are kept.
func (s *Source) between(start, end time.Time, subscriber string) []Row {
	var rows []Row
	for _, hour := range s.order {
		if hour.Before(start) || !hour.Before(end) {
			continue
		}
		for _, r := range s.hours[hour] {
			if subscriber == "" || r.Subscription == subscriber {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func (s *Source) knows(subscription string) bool {
	return slices.ContainsFunc(s.subscriptions, func(known Subscription) bool {
		return known.SubscriptionID == subscription
	})
}

// GUID names a thing of the stand-in for ever: it depends on no seed, so that
// settings and documents can quote it.
func GUID(kind, name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("azurestack:"+kind+":"+name)).String()
}

// Directory returns the directory tenant of a company.
func Directory(company string) string { return GUID("directory", company+".onmicrosoft.com") }
