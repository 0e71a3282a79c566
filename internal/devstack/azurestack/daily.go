package azurestack

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// byDay adds up hourly rows per key and usage day, exactly, in the order in
// which the keys first appear. The days are those of usage within the reported
// window that was asked for, so that a resource's day is spread over two
// reported days.
func byDay(rows []Row) ([]Row, error) {
	type key struct{ subscription, meter, uri, tags, info, day string }
	type total struct {
		first Record
		start time.Time
		sum   sum
	}
	totals := map[key]*total{}
	var order []*total
	for _, row := range rows {
		var rec Record
		var inst Instance
		if err := json.Unmarshal(row.Raw, &rec); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		if err := json.Unmarshal([]byte(rec.Properties.InstanceData), &inst); err != nil {
			return nil, fmt.Errorf("read instanceData of %s: %w", rec.Name, err)
		}
		day := row.Usage.Truncate(24 * time.Hour)
		k := key{
			subscription: strings.ToLower(rec.Properties.SubscriptionID),
			meter:        strings.ReplaceAll(strings.ToLower(rec.Properties.MeterID), "-", ""),
			uri:          strings.ToLower(inst.Resources.ResourceURI),
			tags:         inst.Resources.Tags,
			info:         inst.Resources.AdditionalInfo,
			day:          day.Format(TimeLayout),
		}
		t := totals[k]
		if t == nil {
			t = &total{first: rec, start: day}
			totals[k] = t
			order = append(order, t)
		}
		if err := t.sum.add(rec.Properties.Quantity.String()); err != nil {
			return nil, fmt.Errorf("add quantity of %s: %w", rec.Name, err)
		}
	}
	days := make([]Row, len(order))
	for i, t := range order {
		rec := t.first
		rec.Properties.UsageStartTime = t.start.Format(TimeLayout)
		rec.Properties.UsageEndTime = t.start.AddDate(0, 0, 1).Format(TimeLayout)
		rec.Properties.Quantity = json.Number(t.sum.String())
		days[i] = Row{Raw: Encode(rec), Subscription: strings.ToLower(rec.Properties.SubscriptionID), Usage: t.start}
	}
	return days, nil
}

// sum adds decimal texts exactly.
type sum struct {
	rat    big.Rat
	places int // after the decimal point, enough for every addend
}

func (s *sum) add(text string) error {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	exp := 0
	if exponent != "" {
		var err error
		if exp, err = strconv.Atoi(exponent); err != nil || exp < -99 || exp > 99 {
			return fmt.Errorf("number %.40q: exponent out of bounds", text)
		}
	}
	if strings.Trim(mantissa, "-.0123456789") != "" || len(text) > 120 {
		return fmt.Errorf("number %.40q: not a decimal", text) // big.Rat would take fractions and hexadecimals
	}
	addend, ok := new(big.Rat).SetString(text)
	if !ok {
		return fmt.Errorf("number %.40q: not a decimal", text)
	}
	_, fraction, _ := strings.Cut(mantissa, ".")
	s.places = max(s.places, len(fraction)-exp)
	s.rat.Add(&s.rat, addend)
	return nil
}

// String returns the sum without an exponent or trailing zeros, but with at
// least one decimal, as a stack writes whole numbers.
func (s *sum) String() string {
	text := s.rat.FloatString(max(s.places, 1))
	text = strings.TrimRight(text, "0")
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return text
}
