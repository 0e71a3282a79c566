// Package quarantine is stackusage quarantine: rejected rows, and the decisions about
// them.
package quarantine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/redrive"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage quarantine.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("quarantine", "List, show, resubmit and dismiss rejected rows", `
stackusage quarantine list
stackusage quarantine show --hour 2019-12-10T19:00Z > rows.ndjson
stackusage quarantine redrive --hour 2019-12-10T19:00Z --fixed rows.ndjson --reason "agent 0.2.1 wrote 4,0"`,
		list(e), show(e), redriveRows(e), dismiss(e))
}

// Group is one line of quarantine list: rejected rows of an hour with one code and state.
type Group struct {
	CloudID string            `json:"cloudId"`
	Hour    usage.Hour        `json:"hour"`
	SHA16   string            `json:"sha16"`
	Code    string            `json:"code"`
	State   hourlog.RowStatus `json:"state"`
	Rows    int64             `json:"rows"`
	First   int64             `json:"firstLine"`
	Reason  string            `json:"reason"`            // of the first
	Decided string            `json:"decided,omitempty"` // who dismissed the first, and why
}

func list(e *cli.Env) *cobra.Command {
	var state hourlog.RowStatus
	var only *cli.Registration
	cmd := cli.Command("list", "Count rejected rows by hour, code and state", `STATE: rejected (in no bill), redriven (in the bill, by a corrected hour blob),
dismissed (an operator decided that they are no usage).`, `
stackusage quarantine list
stackusage quarantine list --registration hamburg --state rejected`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		return cli.List(e, func(yield func(Group, error) bool) {
			for h, err := range hourlog.QuarantinedHours(ctx, storage.Tables, cloudID) {
				var groups []*Group
				if err == nil {
					groups, err = groupsOf(ctx, storage, h.ID)
				}
				if err != nil {
					yield(Group{}, err)
					return
				}
				for _, g := range groups {
					if (state == "" || g.State == state) && !yield(*g, nil) {
						return
					}
				}
			}
		}, cli.Table[Group]{
			Head: []string{"REGISTRATION", "HOUR", "SHA16", "CODE", "STATE", "ROWS", "FIRST LINE", "WHY"},
			Cells: func(g Group) []any {
				why := fmt.Sprintf("%.100s", g.Reason)
				if g.Decided != "" {
					why += "; dismissed by " + g.Decided
				}
				return []any{storage.Name(ctx, g.CloudID), g.Hour.String(), g.SHA16, g.Code, g.State, g.Rows, g.First, why}
			},
			None: "no such row is in quarantine",
		})
	})
	only = e.AnyRegistration(cmd)
	cli.EnumVar(cmd, &state, "state", "only rows in this `state`", hourlog.RowRejected, hourlog.Redriven, hourlog.Dismissed)
	return cmd
}

// groupsOf counts the rejected rows of an hour blob by code and state, in order of their
// first line.
func groupsOf(ctx context.Context, storage *cli.Storage, id hourlog.ID) (groups []*Group, err error) {
	for row, err := range hourlog.RejectedRows(ctx, storage.Tables, id) {
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(groups, func(g *Group) bool { return g.Code == row.Code && g.State == row.State })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &Group{
				CloudID: id.CloudID, Hour: id.Hour, SHA16: id.SHA16, Code: row.Code, State: row.State, First: row.Line, Reason: row.Reason, Decided: dismissedBy(row),
			})
		}
		groups[i].Rows++
	}
	return groups, nil
}

// dismissedBy is who dismissed a row, and why; empty if nobody did.
func dismissedBy(row hourlog.RejectedRow) string {
	if row.State != hourlog.Dismissed {
		return ""
	}
	return row.DecidedBy + ": " + row.DecisionReason
}

// selection is which rejected rows of an hour a command is about.
type selection struct {
	env   *cli.Env
	of    *cli.Registration
	id    hourlog.ID
	hour  cli.Hour
	code  string
	texts []string
	lines map[int64]bool
}

// flags adds the flags of a selection.
func (s *selection) flags(e *cli.Env, cmd *cobra.Command) {
	s.env, s.of = e, e.OneRegistration(cmd)
	s.hour.Flag(cmd)
	cmd.Flags().StringVar(&s.code, "code", "", "only rows rejected with this `code`")
	cmd.Flags().StringSliceVar(&s.texts, "line", nil, "only this `line` (repeatable)")
}

// check reads what the flags say.
func (s *selection) check() (err error) {
	if s.id.Hour, err = s.hour.Get(); err != nil {
		return err
	}
	for _, text := range s.texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("--line %q: want the number of a line", text)
		}
		if s.lines == nil {
			s.lines = map[int64]bool{}
		}
		s.lines[n] = true
	}
	return nil
}

// find finds the accepted file of the hour.
func (s *selection) find(ctx context.Context) (storage *cli.Storage, err error) {
	if storage, s.id.CloudID, err = s.of.CloudID(ctx); err != nil {
		return nil, err
	}
	standing, err := hourlog.AcceptedHour(ctx, storage.Tables, s.id)
	if errors.Is(err, table.ErrNotFound) || err == nil && standing.Counts == "" {
		err = fmt.Errorf("no file is accepted for the hour %s of %s; stackusage hour list shows what landed", s.id.Hour, storage.Name(ctx, s.id.CloudID))
	}
	s.id.SHA16 = standing.Counts
	return storage, err
}

// none tells that the hour has no rejected row as it is wanted.
func (s *selection) none(name string) string {
	text := fmt.Sprintf("no rejected rows in the accepted file of hour %s of %s", s.id.Hour, name)
	if s.code != "" {
		text += " with code " + s.code
	}
	if s.lines != nil {
		text += " in line " + strings.Join(s.texts, ", ")
	}
	return text + "; stackusage quarantine list shows what there is"
}

func (s *selection) wants(q hourlog.RejectedRow) bool {
	return (s.code == "" || q.Code == s.code) && (s.lines == nil || s.lines[q.Line])
}

func redriver(s *cli.Storage) redrive.Redriver {
	return redrive.Redriver{
		Tables: s.Tables, Landing: s.Landing.Blobs, App: s.Usage.Blobs,
		Region: func(ctx context.Context, cloudID string) (ingest.RegisteredRegion, error) {
			history, err := s.Registry().History(ctx, cloudID)
			return ingest.RegionOf(history), err
		},
	}
}
