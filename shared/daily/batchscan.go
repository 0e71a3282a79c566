package daily

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// scanBatch reads the records of a batch as Record.AppendJSON writes them; false for
// anything else, which is for strictjson. The texts of the records are parts of one copy
// of the body.
func scanBatch(body []byte) ([]Record, bool) {
	if !utf8.Valid(body) {
		return nil, false
	}
	s := recordScan{text: string(body)}
	records := make([]Record, 0, strings.Count(s.text, `{"recordId":"`))
	s.skip(batchOpen)
	for !s.failed {
		records = append(records, Record{})
		s.record(&records[len(records)-1])
		if !s.has(",") {
			break
		}
	}
	s.skip(batchClose)
	return records, !s.failed && s.text == ""
}

// recordScan reads from the beginning of text.
type recordScan struct {
	text   string
	failed bool

	day        string // the last that was read, and what it says: that of all records
	start, end time.Time
}

// has skips what the text begins with.
func (s *recordScan) has(begin string) bool {
	rest, is := strings.CutPrefix(s.text, begin)
	s.text = rest
	return is
}

// skip is has of what must be there.
func (s *recordScan) skip(begin string) { s.failed = !s.has(begin) || s.failed }

// field reads the text of a field: `,"name":"` is its beginning.
func (s *recordScan) field(begin string) string {
	s.skip(begin)
	return s.string()
}

// optional is field of one that may be left out, and is if it is empty.
func (s *recordScan) optional(begin string) string {
	if !s.has(begin) {
		return ""
	}
	text := s.string()
	s.failed = s.failed || text == ""
	return text
}

// string reads the rest of a JSON string in which nothing but quotes and backslashes is
// escaped.
func (s *recordScan) string() string {
	escapes := 0
	for i := 0; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			text := s.text[:i]
			s.text = s.text[i+1:]
			if escapes > 0 {
				text = unescape(text, escapes)
			}
			return text
		case c == '\\':
			i++
			escapes++
			if i == len(s.text) || s.text[i] != '"' && s.text[i] != '\\' {
				s.failed = true
				return ""
			}
		case c < ' ':
			s.failed = true
			return ""
		}
	}
	s.failed = true
	return ""
}

// unescape removes the backslashes before so many characters.
func unescape(text string, escapes int) string {
	plain := make([]byte, 0, len(text)-escapes)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
		}
		plain = append(plain, text[i])
	}
	return string(plain)
}

// number reads a number as encoding/json writes it: of up to nine digits.
func (s *recordScan) number() (n int) {
	digits := 0
	for digits < len(s.text) && s.text[digits] >= '0' && s.text[digits] <= '9' && digits < 10 {
		n = n*10 + int(s.text[digits]-'0')
		digits++
	}
	s.failed = s.failed || digits == 0 || digits == 10 || digits > 1 && s.text[0] == '0'
	s.text = s.text[digits:]
	return n
}

func (s *recordScan) record(r *Record) {
	r.RecordID = s.field(`{"recordId":"`)
	r.CloudID = s.field(`,"cloudId":"`)
	r.Kind = Kind(s.field(`,"kind":"`))
	r.Corrects = s.optional(`,"corrects":"`)
	if from := s.optional(`,"carriedFrom":"`); from != "" {
		var err error
		r.CarriedFrom, err = usage.ParseDay(from)
		s.failed = s.failed || err != nil || r.CarriedFrom == 0
	}
	r.Reason = s.optional(`,"reason":"`)
	s.skip(`,"revision":`)
	r.Revision = s.number()
	r.BillingModel = registration.BillingModel(s.field(`,"billingModel":"`))
	r.BillingSubscriptionID = s.field(`,"billingSubscriptionId":"`)
	r.SubscriptionID = s.field(`,"subscriptionId":"`)
	r.MeterID = s.field(`,"meterId":"`)
	r.CommerceMeterID = s.optional(`,"commerceMeterId":"`)
	r.MeterName = s.field(`,"meterName":"`)
	r.Unit = s.field(`,"unit":"`)
	r.MeterClass = meter.Class(s.field(`,"meterClass":"`))
	if s.has(`,"flags":[`) {
		r.Flags = append(r.Flags, s.field(`"`))
		for s.has(`,`) {
			r.Flags = append(r.Flags, s.field(`"`))
		}
		s.skip(`]`)
	}
	var err error
	r.Quantity, err = usage.ParseSum(s.field(`,"quantity":"`))
	s.failed = s.failed || err != nil
	s.days(r)
	s.hours(r)
	r.Region = s.field(`,"region":"`)
	r.Location = s.field(`,"location":"`)
	r.ResourceURI = s.field(`,"resourceUri":"`)
	r.Tags = s.field(`,"tags":"`)
	s.skip(`,"additionalInfo":{`)
	if r.AdditionalInfo.Stamp = s.optional(`"stamp":"`); r.AdditionalInfo.Stamp != "" {
		s.skip(`,`)
	}
	r.AdditionalInfo.MeterID = s.field(`"azureStack.MeterId":"`)
	r.AdditionalInfo.SubscriptionID = s.field(`,"azureStack.SubscriptionId":"`)
	r.AdditionalInfo.Location = s.field(`,"azureStack.Location":"`)
	r.AdditionalInfo.EventDateTime = s.field(`,"azureStack.EventDateTime":"`)
	s.skip(`}}`)
}

// days reads the usage day and its first and last instant.
func (s *recordScan) days(r *Record) {
	if s.day != "" && s.has(s.day) {
		r.UsageDate, r.UsageStart, r.UsageEnd = usage.HourOf(s.start).Day(), s.start, s.end
		return
	}
	begin := s.text
	day, err := usage.ParseDay(s.field(`,"usageDate":"`))
	if err != nil || s.failed {
		s.failed = true
		return
	}
	start, startErr := time.Parse(time.RFC3339, s.field(`,"usageStart":"`))
	end, endErr := time.Parse(time.RFC3339, s.field(`,"usageEnd":"`))
	if errors.Join(startErr, endErr) != nil || !start.Equal(day.Start()) || !end.Equal(day.End()) {
		s.failed = true // not as we write them
		return
	}
	r.UsageDate, r.UsageStart, r.UsageEnd = day, start, end
	s.day, s.start, s.end = begin[:len(begin)-len(s.text)], start, end
}

// hours reads the list of hours with usage.
func (s *recordScan) hours(r *Record) {
	s.skip(`,"hours":[`)
	if s.has(`]`) {
		return
	}
	for !s.failed {
		n := s.number()
		s.failed = s.failed || n > 23
		if s.failed {
			return
		}
		r.Hours = r.Hours.With(n)
		if !s.has(",") {
			break
		}
	}
	s.skip(`]`)
}
