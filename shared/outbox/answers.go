package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Answer is commerce's final word on one record.
type Answer struct {
	Status   string // Accepted, Duplicate, Conflict, Rejected, Expired
	Code     string
	Message  string
	Quantity string // what commerce has stored, where it differs
}

// line is a row of DailyUsage.
type line struct {
	RecordID              string    `col:"recordId"`
	Kind                  string    `col:"kind"`
	Corrects              string    `col:"corrects,omitempty"`
	CarriedFrom           string    `col:"carriedFrom,omitempty"` // 2019-12-10
	Reason                string    `col:"reason,omitempty"`
	Revision              int64     `col:"revision"`
	Batch                 int64     `col:"batch"`
	Answer                string    `col:"outcome,omitempty"` // and the next three: of answered
	OutcomeCode           string    `col:"outcomeCode,omitempty"`
	OutcomeMessage        string    `col:"outcomeMessage,omitempty"`
	StoredQuantity        string    `col:"storedQuantity,omitempty"`
	BillingModel          string    `col:"billingModel"`
	BillingSubscriptionID string    `col:"billingSubscriptionId"`
	SubscriptionID        string    `col:"subscriptionId"`
	MeterID               string    `col:"meterId"`
	CommerceMeterID       string    `col:"commerceMeterId,omitempty"`
	MeterName             string    `col:"meterName"`
	Unit                  string    `col:"unit"`
	MeterClass            string    `col:"meterClass"`
	Flags                 string    `col:"flags,omitempty"`
	Quantity              string    `col:"quantity"`
	UsageStart            time.Time `col:"usageStart"`
	UsageEnd              time.Time `col:"usageEnd"`
	Hours                 string    `col:"hours"` // 0,1,2
	Region                string    `col:"region"`
	Location              string    `col:"location"`
	ResourceURI           string    `col:"resourceUri"`
	Tags                  string    `col:"tags,omitempty"`
	AdditionalInfo        string    `col:"additionalInfo,omitempty"` // the stack's own text
	StampMeterID          string    `col:"azureStackMeterId"`
	StampSubscriptionID   string    `col:"azureStackSubscriptionId"`
	StampLocation         string    `col:"azureStackLocation"`
	StampEventDateTime    string    `col:"azureStackEventDateTime"`
}

// PutOutcomes writes a row of DailyUsage for each record that has a final
// answer. A record's first final answer stands: a repeat of the batch, which
// commerce answers with Duplicate, changes nothing.
func PutOutcomes(ctx context.Context, store table.Store, id ID, records []daily.Record, answers map[string]Answer) error {
	_, err := KeepOutcomes(ctx, store, id, records, answers)
	return err
}

// Rows are the rows of DailyUsage for records, without their answers.
func Rows(id ID, records []daily.Record) []table.Row {
	rows := make([]table.Row, len(records))
	for i, r := range records {
		rows[i] = table.Row{Partition: id.partition(), Key: r.Row(), Props: table.Encode(line{
			RecordID: r.RecordID, Kind: string(r.Kind), Corrects: r.Corrects, CarriedFrom: dayText(r.CarriedFrom), Reason: r.Reason, Revision: int64(r.Revision), Batch: int64(id.Number),
			BillingModel: string(r.BillingModel), BillingSubscriptionID: r.BillingSubscriptionID,
			SubscriptionID: r.SubscriptionID, MeterID: r.MeterID, CommerceMeterID: r.CommerceMeterID,
			MeterName: r.MeterName, Unit: r.Unit, MeterClass: string(r.MeterClass), Flags: strings.Join(r.Flags, ","),
			Quantity: r.Quantity.String(), UsageStart: r.UsageStart, UsageEnd: r.UsageEnd, Hours: hoursText(r.Hours),
			Region: r.Region, Location: r.Location, ResourceURI: r.ResourceURI, Tags: r.Tags,
			AdditionalInfo: r.AdditionalInfo.Stamp, StampMeterID: r.AdditionalInfo.MeterID,
			StampSubscriptionID: r.AdditionalInfo.SubscriptionID, StampLocation: r.AdditionalInfo.Location,
			StampEventDateTime: r.AdditionalInfo.EventDateTime,
		})}
	}
	return rows
}

// answered are the columns of an answer; they are set in a row that Rows made.
type answered struct {
	Answer         string `col:"outcome"`
	OutcomeCode    string `col:"outcomeCode,omitempty"`
	OutcomeMessage string `col:"outcomeMessage,omitempty"`
	StoredQuantity string `col:"storedQuantity,omitempty"`
}

// KeepOutcomes is PutOutcomes, and returns the answers that stand: where a record
// had one before, that one. What is made of the answers must be made of these,
// or it says something else than DailyUsage.
func KeepOutcomes(ctx context.Context, store table.Store, id ID, records []daily.Record, answers map[string]Answer) (map[string]Answer, error) {
	records = slices.DeleteFunc(slices.Clone(records), func(r daily.Record) bool {
		_, ours := answers[r.RecordID]
		return !ours
	})
	return KeepRows(ctx, store, id, records, Rows(id, records), answers)
}

// KeepRows is KeepOutcomes of records whose Rows are made, and which have an answer. The
// answers are set in the rows.
func KeepRows(ctx context.Context, store table.Store, id ID, records []daily.Record, rows []table.Row, answers map[string]Answer) (map[string]Answer, error) {
	for i, r := range records {
		a := answers[r.RecordID]
		maps.Copy(rows[i].Props, table.Encode(answered{a.Status, table.Clip(a.Code), table.Clip(a.Message), table.Clip(a.Quantity)}))
	}
	there, err := table.InsertNew(ctx, store, table.DailyUsage, id.partition(), rows)
	if err != nil {
		return nil, fmt.Errorf("write answers of batch %s: %w", id, err)
	}
	if there == 0 {
		return answers, nil
	}
	return Answers(ctx, store, id, records)
}

// hoursText is a set of hours as the column has it: 0,1,2.
func hoursText(hours usage.HourSet) string {
	var text []byte
	for i, n := range hours.Hours() {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, int64(n), 10)
	}
	return string(text)
}

// Answers reads the final answers to records of a batch that are in DailyUsage
// already.
func Answers(ctx context.Context, store table.Store, id ID, records []daily.Record) (map[string]Answer, error) {
	keys := make([]string, len(records))
	for i, r := range records {
		keys[i] = r.Row()
	}
	rows, err := table.Present(ctx, store, table.DailyUsage, id.partition(), keys)
	if err != nil {
		return nil, fmt.Errorf("read answers of batch %s: %w", id, err)
	}
	answers := make(map[string]Answer, len(rows))
	for key, row := range rows {
		var have line
		if err := table.Decode(row.Props, &have); err != nil {
			return nil, fmt.Errorf("read answer %s of batch %s: %w", key, id, err)
		}
		answers[have.RecordID] = Answer{have.Answer, have.OutcomeCode, have.OutcomeMessage, have.StoredQuantity}
	}
	return answers, nil
}

// CodeDecided is the answer code of a record that an operator settled as declined:
// what it states is not billed, and no later revision states it again until an
// operator recloses the day.
const CodeDecided = "RejectedByDecision"

// dayText is a day as records write it; empty if there is none.
func dayText(d usage.Day) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
