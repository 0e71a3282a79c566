package daily

import (
	"strconv"

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
	return append(append(append(b, '"'), q.String()...), '"')
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
