package daily

import (
	"strconv"
	"time"

	"stackusage/shared/linefile"
	"stackusage/shared/usage"
)

// The encoders here append lines and records as encoding/json writes them without
// escapes of HTML: files and batches are named by their bytes. Tests compare the two.

// AppendJSON appends the sum as a line of a partial has it, without its line feed.
func (s *Sum) AppendJSON(b []byte) []byte {
	b = appendShown(append(b, '{'), &s.Shown)
	b = appendQuantity(append(b, `,"quantity":`...), s.Quantity)
	b = appendHours(append(b, `,"hours":`...), s.Hours)
	b = strconv.AppendInt(append(b, `,"rows":`...), s.Rows, 10)
	return append(b, '}')
}

// AppendJSON appends the line as a daily file has it, without its line feed. Its record
// must be as Record.AppendJSON writes it.
func (l *DayLine) AppendJSON(b []byte) []byte {
	b = appendShown(append(b, '{'), &l.Shown)
	b = linefile.AppendString(append(b, `,"billingModel":`...), string(l.BillingModel))
	b = linefile.AppendString(append(b, `,"billingSubscriptionId":`...), l.BillingSubscriptionID)
	b = appendUnlessEmpty(b, `,"commerceMeterId":`, l.CommerceMeterID)
	b = linefile.AppendString(append(b, `,"meterClass":`...), string(l.MeterClass))
	b = appendUnlessEmpty(b, `,"reporting":`, l.Reporting)
	if l.CarriedFrom != 0 {
		b = appendDay(append(b, `,"carriedFrom":`...), l.CarriedFrom)
	}
	b = strconv.AppendInt(append(b, `,"rows":`...), l.Rows, 10)
	b = appendQuantity(append(b, `,"total":`...), l.Total)
	b = appendHours(append(b, `,"hours":`...), l.Hours)
	b = appendQuantity(append(b, `,"before":`...), l.Before)
	b = appendUnlessEmpty(b, `,"corrects":`, l.Corrects)
	if l.Waived.Sign() != 0 {
		b = appendQuantity(append(b, `,"waived":`...), l.Waived)
	}
	if l.Carried.Sign() != 0 {
		b = appendQuantity(append(b, `,"carried":`...), l.Carried)
	}
	if len(l.Record) > 0 {
		b = append(append(b, `,"record":`...), l.Record...)
	}
	return append(b, '}')
}

// AppendJSON appends the record as batches and daily files have it. It fails on a time
// beyond the year 9999.
func (r *Record) AppendJSON(b []byte) (_ []byte, err error) {
	b = linefile.AppendString(append(b, `{"recordId":`...), r.RecordID)
	b = linefile.AppendString(append(b, `,"cloudId":`...), r.CloudID)
	b = linefile.AppendString(append(b, `,"kind":`...), string(r.Kind))
	b = appendUnlessEmpty(b, `,"corrects":`, r.Corrects)
	if r.CarriedFrom != 0 {
		b = appendDay(append(b, `,"carriedFrom":`...), r.CarriedFrom)
	}
	b = appendUnlessEmpty(b, `,"reason":`, r.Reason)
	b = strconv.AppendInt(append(b, `,"revision":`...), int64(r.Revision), 10)
	b = linefile.AppendString(append(b, `,"billingModel":`...), string(r.BillingModel))
	b = linefile.AppendString(append(b, `,"billingSubscriptionId":`...), r.BillingSubscriptionID)
	b = linefile.AppendString(append(b, `,"subscriptionId":`...), r.SubscriptionID)
	b = linefile.AppendString(append(b, `,"meterId":`...), r.MeterID)
	b = appendUnlessEmpty(b, `,"commerceMeterId":`, r.CommerceMeterID)
	b = linefile.AppendString(append(b, `,"meterName":`...), r.MeterName)
	b = linefile.AppendString(append(b, `,"unit":`...), r.Unit)
	b = linefile.AppendString(append(b, `,"meterClass":`...), string(r.MeterClass))
	for i, flag := range r.Flags {
		b = linefile.AppendString(append(b, []string{`,"flags":[`, `,`}[min(i, 1)]...), flag)
	}
	if len(r.Flags) > 0 {
		b = append(b, ']')
	}
	b = appendQuantity(append(b, `,"quantity":`...), r.Quantity)
	b = appendDay(append(b, `,"usageDate":`...), r.UsageDate)
	if b, err = r.UsageStart.AppendText(append(b, `,"usageStart":"`...)); err != nil {
		return b, err
	}
	if b, err = r.UsageEnd.AppendText(append(b, `","usageEnd":"`...)); err != nil {
		return b, err
	}
	b = appendHours(append(b, `","hours":`...), r.Hours)
	b = linefile.AppendString(append(b, `,"region":`...), r.Region)
	b = linefile.AppendString(append(b, `,"location":`...), r.Location)
	b = linefile.AppendString(append(b, `,"resourceUri":`...), r.ResourceURI)
	b = linefile.AppendString(append(b, `,"tags":`...), r.Tags)
	b = r.AdditionalInfo.appendJSON(append(b, `,"additionalInfo":`...))
	return append(b, '}'), nil
}

func (a *AdditionalInfo) appendJSON(b []byte) []byte {
	b = append(b, '{')
	if a.Stamp != "" {
		b = append(linefile.AppendString(append(b, `"stamp":`...), a.Stamp), ',')
	}
	b = linefile.AppendString(append(b, `"azureStack.MeterId":`...), a.MeterID)
	b = linefile.AppendString(append(b, `,"azureStack.SubscriptionId":`...), a.SubscriptionID)
	b = linefile.AppendString(append(b, `,"azureStack.Location":`...), a.Location)
	b = linefile.AppendString(append(b, `,"azureStack.EventDateTime":`...), a.EventDateTime)
	return append(b, '}')
}

func appendDay(b []byte, day usage.Day) []byte {
	return append(day.Start().AppendFormat(append(b, '"'), time.DateOnly), '"')
}

func appendShown(b []byte, s *usage.Shown) []byte {
	b = linefile.AppendString(append(b, `"subscriptionId":`...), s.SubscriptionID)
	b = linefile.AppendString(append(b, `,"resourceUri":`...), s.ResourceURI)
	b = linefile.AppendString(append(b, `,"meterId":`...), s.MeterID)
	b = appendUnlessEmpty(b, `,"location":`, s.Location)
	b = appendUnlessEmpty(b, `,"tags":`, s.Tags)
	return appendUnlessEmpty(b, `,"additionalInfo":`, s.AdditionalInfo)
}

func appendUnlessEmpty(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return linefile.AppendString(append(b, name...), text)
}

func appendQuantity(b []byte, q usage.Quantity) []byte {
	return append(q.AppendText(append(b, '"')), '"')
}

func appendHours(b []byte, hours usage.HourSet) []byte {
	b = append(b, '[')
	for n, first := 0, true; n < 24; n++ {
		if !hours.Has(n) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		b, first = strconv.AppendInt(b, int64(n), 10), false
	}
	return append(b, ']')
}
