package review

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daybook"
	"stackusage/shared/reasoned"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// dayDecision is a row of Decisions: what an operator has decided about a usage day.
type dayDecision struct {
	Kind     string    `col:"kind"` // DecisionConfirm
	UsageDay string    `col:"usageDay"`
	What     string    `col:"what"` // observations that are no findings any more, comma separated
	Reason   string    `col:"reason"`
	By       string    `col:"by"`
	At       time.Time `col:"at"`
}

// DecisionConfirm: what is settled of a usage day stands, although the stack said
// otherwise later.
const DecisionConfirm = "confirm"

// confirmChunk is how many observations one decision names: a column ends at 32 KiB.
const confirmChunk = 300

func confirmPrefix(day usage.Day) string { return DecisionConfirm + "_" + day.Compact() + "_" }

// nameOf is what decisions call an observation: a tenant that the stack named at a
// moment. Of each tenant a settlement lists the observation nearest to the end of the
// day; one that comes later and is nearer is another one.
func nameOf(o settlement.Observation) string {
	return o.Subscription + "=" + o.Tenant + "@" + o.ObservedAt.UTC().Format(time.RFC3339Nano)
}

func confirmedKey(day usage.Day, o settlement.Observation) string {
	return day.Compact() + " " + nameOf(o)
}

// Confirmation is a decision that the settlement of a usage day stays valid.
type Confirmation struct {
	CloudID      string
	Day          usage.Day
	Observations []string // that it names
	reasoned.Decision
}

// Confirmations lists those of a registration, or of all if cloudID is empty. One of many
// observations is several in a row.
func Confirmations(ctx context.Context, store table.Store, cloudID string) (all []Confirmation, err error) {
	for row, err := range store.List(ctx, table.Decisions, cloudID, DecisionConfirm+"_", DecisionConfirm+table.AfterUnderscore) {
		var d dayDecision
		if err == nil {
			err = table.Decode(row.Props, &d)
		}
		if err != nil {
			return nil, err
		}
		day, err := usage.ParseDay(d.UsageDay)
		if err != nil {
			return nil, fmt.Errorf("decision %s: %w", row.Key, err)
		}
		all = append(all, Confirmation{row.Partition, day, strings.Split(d.What, ","), reasoned.Decision{By: d.By, Reason: d.Reason, At: d.At}})
	}
	return all, nil
}

// confirmedOf are the observations that an operator has confirmed the settlement
// against, of all days of a registration.
func confirmedOf(ctx context.Context, store table.Store, cloudID string) (map[string]bool, error) {
	decisions, err := Confirmations(ctx, store, cloudID)
	all := map[string]bool{}
	for _, d := range decisions {
		for _, what := range d.Observations {
			all[d.Day.Compact()+" "+what] = true
		}
	}
	return all, err
}

// Confirm records that what is settled of a usage day stands, although later
// headers name other tenants. It returns the observations that are no findings any
// more; none if there were none. Another one, that a later revision lists, is a finding
// again.
func Confirm(ctx context.Context, store table.Store, blobs content.Opener, cloudID string, day usage.Day, why reasoned.Decision) ([]settlement.Observation, error) {
	differs, err := confirm(ctx, store, blobs, cloudID, day, why)
	if err != nil {
		return nil, fmt.Errorf("confirm day %s of %s: %w", day, cloudID, err)
	}
	return differs, nil
}

func confirm(ctx context.Context, store table.Store, blobs content.Opener, cloudID string, day usage.Day, why reasoned.Decision) ([]settlement.Observation, error) {
	if err := why.Check(); err != nil {
		return nil, err
	}
	last, err := daybook.LastRevision(ctx, store, cloudID, day)
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, fmt.Errorf("it was never closed: %w", table.ErrNotFound)
	}
	settled, err := daybook.ReadSettlement(ctx, blobs, *last)
	if err != nil {
		return nil, err
	}
	if settled == nil {
		return nil, fmt.Errorf("it was only closed with reporting off, and nothing of it is settled: %w", table.ErrNotFound)
	}
	before, err := confirmedOf(ctx, store, cloudID)
	if err != nil {
		return nil, err
	}
	differs := slices.DeleteFunc(settled.Differs, func(o settlement.Observation) bool { return before[confirmedKey(day, o)] })
	var rows []table.Row
	for chunk := range slices.Chunk(differs, confirmChunk) {
		texts := make([]string, len(chunk))
		for i, o := range chunk {
			texts[i] = nameOf(o)
		}
		d := dayDecision{Kind: DecisionConfirm, UsageDay: day.String(), What: strings.Join(texts, ","), Reason: why.Reason, By: why.By, At: table.UTC(why.At)}
		rows = append(rows, table.Row{Partition: cloudID, Key: confirmPrefix(day) + fmt.Sprintf("%x", sha256.Sum256([]byte(d.What)))[:16], Props: table.Encode(d)})
	}
	return differs, table.InsertAll(ctx, store, table.Decisions, cloudID, rows)
}
