package hours

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/hourlog"
	"stackusage/shared/usage"
)

// rowView is a row on its page.
type rowView struct {
	hours.OneRow
	Prev, Next, Hour, Explain string
	Used                      string
	Undecided                 bool
	Sent, Indented            string
}

// Row is the page of a row of an hour blob.
func Row(r *page.Request) (*page.Page, error) {
	of, line := r.Get("registration"), r.Get("line")
	p := &page.Page{Title: "Line " + line, Section: "/", Lead: "A row of an hour blob, as the stack sent it.", Trail: []page.Link{{Text: "Overview", Href: "/"}}}
	if at, err := usage.ParsePoint(r.Get("hour")); err == nil {
		month := usage.HourOf(at).String()[:7]
		p.Trail = append(p.Trail, page.Link{Text: of, Href: page.Href("/calendar", "registration", of, "month", month)},
			page.Link{Text: "Hours of " + usage.HourOf(at).Day().String(), Href: page.Href("/calendar", "registration", of, "day", usage.HourOf(at).Day().String())},
			page.Link{Text: usage.Point(at), Href: page.Href("/hour", "registration", of, "hour", usage.Point(at), "sha16", r.Get("sha16"))})
	}
	var one hours.OneRow
	p.Part(r, "row", "", func(part *page.Part) error {
		if line == "" {
			return fmt.Errorf("the address names no line; the page of an hour lists its rows")
		}
		part.Command = append([]string{"hour", "show"}, r.Flags("registration", "hour", "sha16", "line")...)
		return page.Ask(r, func(row hours.OneRow) error {
			one = row
			return part.Render(templates, "row", viewOf(r, row))
		}, part.Command...)
	})
	if one.Blob == "" {
		return p, nil
	}
	p.Title = fmt.Sprintf("Line %d of %s", one.Row.Line, one.SHA16)
	p.Lead = fmt.Sprintf("A row of the reported hour %s of %s, as the stack sent it.", usage.Point(one.Header.ReportedStart), one.Name)
	if len(p.Trail) > 1 {
		p.Trail[1].Text = one.Name
	}
	p.Part(r, "header", "Its file", func(part *page.Part) error {
		h := one.Header
		facts := []page.Link{{Text: "File", Href: one.Blob}, {Text: "Verdict", Href: one.Verdict}, {Text: "Rows", Href: strconv.FormatInt(one.Records, 10)}, {Text: "Region", Href: h.Region}, {Text: "Domain", Href: h.Domain},
			{Text: "Reported hour", Href: usage.Point(h.ReportedStart) + " to " + usage.Point(h.ReportedEnd)}, {Text: "Collected", Href: usage.Point(h.CollectedAt)}, {Text: "Agent", Href: h.AgentVersion},
			{Text: "Subscriptions of the stack itself", Href: strings.Join(h.ProviderSubscriptions, ", ")}, {Text: "Tenants known of", Href: cli.Count(len(h.Tenants), "subscription")}}
		for sub, tenant := range h.Tenants {
			if one.Row.SubscriptionID != "" && usage.NormalGUID(sub) == usage.NormalGUID(one.Row.SubscriptionID) {
				facts = append(facts, page.Link{Text: "Tenant of the row's subscription", Href: tenant})
			}
		}
		if h.TenantsStale {
			facts = append(facts, page.Link{Text: "Tenants known since", Href: usage.Point(h.TenantsAt.In(time.UTC))})
		}
		if h.Corrects != nil {
			facts = append(facts, page.Link{Text: "Corrects", Href: h.Corrects.Blob})
		}
		return part.Render(templates, "header", facts)
	})
	return p, nil
}

// viewOf is a row with its links.
func viewOf(r *page.Request, one hours.OneRow) rowView {
	of, row := r.Get("registration"), one.Row
	at := r.Get("hour")
	line := func(n int64) string {
		return page.Href("/row", "registration", of, "hour", at, "sha16", one.SHA16, "line", strconv.FormatInt(n, 10))
	}
	v := rowView{OneRow: one, Hour: page.Href("/hour", "registration", of, "hour", at, "sha16", one.SHA16), Undecided: row.State == string(hourlog.RowRejected)}
	if row.Line > 1 {
		v.Prev = line(row.Line - 1)
	}
	if row.Line < one.Records || one.Records == 0 {
		v.Next = line(row.Line + 1)
	}
	if row.UsageHour != nil {
		v.Used = row.UsageHour.String()
		if row.State == string(hourlog.Accepted) {
			v.Explain = page.Href("/explain", "registration", of, "day", row.UsageHour.Day().String(), "resource", row.ResourceURI, "meter", row.MeterID)
		}
	}
	sent := row.Bytes()
	if v.Sent = string(sent); !utf8.Valid(sent) {
		v.Sent = fmt.Sprintf("%q", sent)
	}
	var b bytes.Buffer
	if json.Indent(&b, sent, "", "  ") == nil {
		v.Indented = b.String()
	}
	return v
}
