package daily

import (
	"strings"
	"time"

	"stackusage/shared/linefile"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// scanBatch reads the records of a batch as Record.AppendJSON writes them; false for
// anything else, which is for strictjson. The texts of the records are parts of one copy
// of the body.
func scanBatch(body []byte) ([]Record, bool) {
	text := string(body)
	s := recordScan{Cursor: linefile.NewCursor(text)}
	records := make([]Record, 0, strings.Count(text, `{"recordId":"`))
	s.Skip(batchOpen)
	for more := true; more; more = s.Has(",") {
		records = append(records, Record{})
		s.record(&records[len(records)-1])
	}
	s.Skip(batchClose)
	return records, s.Done()
}

// recordScan reads the records of a batch.
type recordScan struct {
	linefile.Cursor
	day        string // the last that was read, and what it says: that of all records
	start, end time.Time
}

// field reads the text of a field with the given name.
func (s *recordScan) field(name string) string {
	s.Skip(name)
	var unknown linefile.Known
	return s.String(&unknown)
}

// optional is field of one that is left out if it is empty.
func (s *recordScan) optional(name string) string {
	if !s.Has(name) {
		return ""
	}
	var unknown linefile.Known
	text := s.String(&unknown)
	if text == "" {
		s.Stop()
	}
	return text
}

func (s *recordScan) record(r *Record) {
	r.RecordID = s.field(`{"recordId":`)
	r.CloudID = s.field(`,"cloudId":`)
	r.Kind = Kind(s.field(`,"kind":`))
	r.Corrects = s.optional(`,"corrects":`)
	if from := s.optional(`,"carriedFrom":`); from != "" {
		var err error
		if r.CarriedFrom, err = usage.ParseDay(from); err != nil || r.CarriedFrom == 0 {
			s.Stop()
		}
	}
	r.Reason = s.optional(`,"reason":`)
	s.Skip(`,"revision":`)
	revision := s.Int()
	if r.Revision = int(revision); int64(r.Revision) != revision {
		s.Stop()
	}
	r.BillingModel = registration.BillingModel(s.field(`,"billingModel":`))
	r.BillingSubscriptionID = s.field(`,"billingSubscriptionId":`)
	r.SubscriptionID = s.field(`,"subscriptionId":`)
	r.MeterID = s.field(`,"meterId":`)
	r.CommerceMeterID = s.optional(`,"commerceMeterId":`)
	r.MeterName = s.field(`,"meterName":`)
	r.Unit = s.field(`,"unit":`)
	r.MeterClass = meter.Class(s.field(`,"meterClass":`))
	if s.Has(`,"flags":[`) {
		for more := true; more; more = s.Has(`,`) {
			r.Flags = append(r.Flags, s.field(``))
		}
		s.Skip(`]`)
	}
	s.Skip(`,"quantity":`)
	r.Quantity = readQuantity(&s.Cursor)
	s.days(r)
	s.Skip(`,"hours":`)
	r.Hours = readHours(&s.Cursor)
	r.Region = s.field(`,"region":`)
	r.Location = s.field(`,"location":`)
	r.ResourceURI = s.field(`,"resourceUri":`)
	r.Tags = s.field(`,"tags":`)
	s.Skip(`,"additionalInfo":{`)
	if r.AdditionalInfo.Stamp = s.optional(`"stamp":`); r.AdditionalInfo.Stamp != "" {
		s.Skip(`,`)
	}
	r.AdditionalInfo.MeterID = s.field(`"azureStack.MeterId":`)
	r.AdditionalInfo.SubscriptionID = s.field(`,"azureStack.SubscriptionId":`)
	r.AdditionalInfo.Location = s.field(`,"azureStack.Location":`)
	r.AdditionalInfo.EventDateTime = s.field(`,"azureStack.EventDateTime":`)
	s.Skip(`}}`)
}

// days reads the usage day and its first and last instant.
func (s *recordScan) days(r *Record) {
	if s.day != "" && s.Has(s.day) {
		r.UsageDate, r.UsageStart, r.UsageEnd = usage.HourOf(s.start).Day(), s.start, s.end
		return
	}
	date, start, end := s.field(`,"usageDate":`), s.field(`,"usageStart":`), s.field(`,"usageEnd":`)
	day, err := usage.ParseDay(date)
	if err != nil || start != day.Start().Format(time.RFC3339) || end != day.End().Format(time.RFC3339) {
		s.Stop() // not as we write them
		return
	}
	r.UsageDate, r.UsageStart, r.UsageEnd = day, day.Start(), day.End()
	s.day, s.start, s.end = `,"usageDate":"`+date+`","usageStart":"`+start+`","usageEnd":"`+end+`"`, r.UsageStart, r.UsageEnd
}
