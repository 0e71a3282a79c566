package usage

import (
	"fmt"
	"time"
)

// Month is a month of UTC days, named by its first one.
type Month Day

// MonthOf is the month of a day.
func MonthOf(day Day) Month { return Month(day - Day(day.Start().Day()-1)) }

// ParseMonth reads 2024-03.
func ParseMonth(text string) (Month, error) {
	t, err := time.Parse("2006-01", text)
	if err != nil {
		return 0, fmt.Errorf("parse month %.40q: not of the form 2024-03", text)
	}
	return Month(HourOf(t).Day()), nil
}

// First is the first day of the month.
func (m Month) First() Day { return Day(m) }

// Last is the last day of the month.
func (m Month) Last() Day { return HourOf(m.First().Start().AddDate(0, 1, 0)).Day() - 1 }

// String is the month as people write it: 2024-03.
func (m Month) String() string { return m.First().Start().Format("2006-01") }
