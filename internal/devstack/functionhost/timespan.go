package functionhost

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// timeSpan is a .NET TimeSpan as it stands in host.json: "hh:mm:ss", with
// optional days before and a fraction behind.
type timeSpan time.Duration

var timeSpanForm = regexp.MustCompile(`^(?:(\d{1,5})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$`)

// parseTimeSpan reads "[d.]hh:mm[:ss[.fffffff]]". Negative spans and bare
// numbers of days are not accepted: nothing in an app needs them.
func parseTimeSpan(s string) (time.Duration, error) {
	m := timeSpanForm.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("parse time span %q: want hh:mm:ss", s)
	}
	var parts [4]int64 // days, hours, minutes, seconds
	for i := range parts {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse time span %q: %w", s, err)
		}
		parts[i] = n
	}
	if parts[1] > 23 || parts[2] > 59 || parts[3] > 59 {
		return 0, fmt.Errorf("parse time span %q: want hh:mm:ss with hh below 24", s)
	}
	seconds := ((parts[0]*24+parts[1])*60+parts[2])*60 + parts[3]
	d := time.Duration(seconds) * time.Second
	if m[5] != "" {
		ticks, err := strconv.ParseInt((m[5] + "0000000")[:7], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse time span %q: %w", s, err)
		}
		d += time.Duration(ticks) * 100
	}
	return d, nil
}

// UnmarshalJSON reads a JSON string that holds a time span.
func (t *timeSpan) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("parse time span %s: want a string", b)
	}
	d, err := parseTimeSpan(s)
	*t = timeSpan(d)
	return err
}
