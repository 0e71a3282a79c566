package lists

import (
	"strconv"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/decisions"
	"stackusage/cmd/stackusage/findings"
	"stackusage/cmd/stackusage/messages"
	"stackusage/cmd/stackusage/quarantine"
	recorded "stackusage/shared/decisions"
	"stackusage/shared/hourlog"
)

// registration is the filter that all lists of stacks have.
var registration = page.Field{Name: "registration"}

// reason stands in commands for what the operator has to write.
const reason = "REASON"

// All are the pages of lists.
var All = []List{
	{
		Path: "/quarantine", Title: "Quarantine", Lead: "Rejected rows by hour, code and state. They are in no bill until somebody resubmits or dismisses them.",
		Command: []string{"quarantine", "list"}, Long: []string{"WHY"},
		Fields: []page.Field{registration, {Name: "state", Label: "State", Options: page.Choices("", "", string(hourlog.RowRejected), string(hourlog.Redriven), string(hourlog.Dismissed))}},
		Link: func(row any, column string) string {
			g := row.(quarantine.Group)
			switch column {
			case "HOUR":
				return page.Href("/hour", "registration", g.CloudID, "hour", g.Hour.String())
			case "FIRST LINE":
				return page.Href("/row", "registration", g.CloudID, "hour", g.Hour.String(), "sha16", g.SHA16, "line", strconv.FormatInt(g.First, 10))
			}
			return ""
		},
		Act: func(row any, name string) [][]string {
			g := row.(quarantine.Group)
			if g.State != hourlog.RowRejected {
				return nil
			}
			of := []string{"--registration", name, "--hour", g.Hour.String(), "--code", g.Code}
			return [][]string{append([]string{"quarantine", "show"}, of...),
				{"quarantine", "redrive", "--registration", name, "--hour", g.Hour.String(), "--fixed", "rows.ndjson", "--reason", reason},
				append(append([]string{"quarantine", "dismiss"}, of...), "--reason", reason)}
		},
	},
	{
		Path: "/batches", Title: "Batches", Lead: "Batches of daily records that are sent to commerce.",
		Command: []string{"batch", "list"}, Long: []string{"LAST RESPONSE"},
		Fields: []page.Field{registration, {Name: "day", Label: "Usage day", Kind: "date"}, {Name: "all", Label: "Which", Switch: true, Options: []page.Option{{Text: "without an outcome"}, {Value: "true", Text: "all"}}}},
		Link: func(row any, column string) string {
			b := row.(batches.Row)
			if column == "USAGE DAY" {
				return page.Href("/day", "registration", b.CloudID, "day", b.Day)
			}
			return ""
		},
		Act: func(row any, name string) [][]string {
			b := row.(batches.Row)
			if b.DeclinedSince == nil && b.NotBefore == nil {
				return nil
			}
			return [][]string{{"batch", "retry", "--registration", name, "--day", b.Day, "--revision", strconv.Itoa(b.Revision), "--batch", strconv.Itoa(b.Batch), "--reason", reason}}
		},
	},
	{
		Path: "/messages", Title: "Messages", Lead: "Queue messages that no function could process.",
		Command: []string{"message", "list"}, Long: []string{"WHY"},
		Fields: []page.Field{{Name: "all", Label: "Which", Switch: true, Options: []page.Option{{Text: "failed"}, {Value: "true", Text: "dismissed, too"}}}},
		Act: func(row any, _ string) [][]string {
			m := row.(messages.Row)
			if m.Decided != nil {
				return nil
			}
			of := []string{"--queue", m.Queue, "--id", m.ID, "--reason", reason}
			return [][]string{append([]string{"message", "resend"}, of...), append([]string{"message", "dismiss"}, of...)}
		},
	},
	{
		Path: "/decisions", Title: "Decisions", Lead: "Who decided what, and why, the newest first.",
		Command: []string{"decision", "list"}, Long: []string{"WHAT", "WHY"},
		Fields: []page.Field{registration, {Name: "since", Label: "Since", Kind: "date"}, {Name: "by", Label: "Who", Kind: "text", Hint: "anybody"}, {Name: "kind", Label: "Kind", Options: page.Choices("", kinds()...)}},
		Link: func(row any, column string) string {
			d := row.(decisions.Row)
			switch {
			case column != "WHAT":
				return ""
			case d.Hour != nil:
				return page.Href("/hour", "registration", d.CloudID, "hour", d.Hour.String())
			case d.Day != "":
				return page.Href("/day", "registration", d.CloudID, "day", d.Day)
			}
			return ""
		},
	},
	{
		Path: "/findings", Title: "Observations", Lead: "Where headers of the stack differ from what a closed day is settled by. Nothing is billed otherwise until somebody decides.",
		Command: []string{"finding", "list"}, Long: []string{"FINDING"},
		Fields: []page.Field{registration},
		Link: func(row any, column string) string {
			f := row.(findings.Row)
			if column == "USAGE DAY" {
				return page.Href("/day", "registration", f.CloudID, "day", f.Day)
			}
			return ""
		},
	},
}

// kinds are those of decisions, after the choice of all.
func kinds() []string {
	names := []string{""}
	for _, k := range recorded.Kinds() {
		names = append(names, string(k))
	}
	return names
}
