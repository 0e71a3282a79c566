// Package form has the forms in which the auditor compares everything: hours and days,
// GUIDs, exact quantities, JSON. Like all below shared/verify it shares no code with the
// pipeline (decision 0018).
package form

import (
	"cmp"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Hour is a UTC hour, counted from 1970.
type Hour int64

// HourOf is the hour of a time.
func HourOf(t time.Time) Hour { return Hour(t.Unix() / 3600) }

// Start is when the hour begins.
func (h Hour) Start() time.Time { return time.Unix(int64(h)*3600, 0).UTC() }

// Day is 20191210, and Compact 2019121019.
func (h Hour) Day() string { return h.Start().Format("20060102") }

// Compact: see Day.
func (h Hour) Compact() string { return h.Start().Format("2006010215") }

// StartOf is when a day, 20191210, begins; the zero time for what is no day.
func StartOf(day string) time.Time { t, _ := time.Parse("20060102", day); return t }

// EndOf is when a day ends.
func EndOf(day string) time.Time { return StartOf(day).AddDate(0, 0, 1) }

// DashedDay is 2019-12-10 of 20191210, and PlainDay the other way round.
func DashedDay(day string) string {
	return strings.TrimPrefix(StartOf(day).Format(time.DateOnly), "0001-01-01")
}

// PlainDay: see DashedDay.
func PlainDay(day string) string { return strings.ReplaceAll(day, "-", "") }

// PlainGUID is a GUID in lower case without dashes.
func PlainGUID(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }

// DashedGUID is a GUID in lower case with dashes; what is none stays.
func DashedGUID(s string) string {
	n := PlainGUID(s)
	if len(n) != 32 {
		return s
	}
	return n[:8] + "-" + n[8:12] + "-" + n[12:16] + "-" + n[16:20] + "-" + n[20:]
}

// Count is a number of things in words: 1 record has, 2 records have.
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// AnyGUID is a pattern of GUIDs with dashes and without.
const AnyGUID = `([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})`

var guid = regexp.MustCompile(`^` + AnyGUID + `$`)

// IsGUID reports whether s is a GUID other than zero.
func IsGUID(s string) bool { return guid.MatchString(s) && strings.Trim(s, "0-") != "" }

// Quantities are texts: decimals in full, without trailing zeros. Nothing is zero.

func rational(quantity string) *big.Rat {
	q, is := new(big.Rat).SetString(cmp.Or(quantity, "0"))
	if !is {
		return new(big.Rat)
	}
	return q
}

// Plus is the exact sum of two quantities.
func Plus(a, b string) string { return decimal(new(big.Rat).Add(rational(a), rational(b))) }

// Minus is their exact difference.
func Minus(a, b string) string { return decimal(new(big.Rat).Sub(rational(a), rational(b))) }

// Sign is -1, 0 or 1.
func Sign(a string) int { return rational(a).Sign() }

func decimal(q *big.Rat) string {
	digits, _ := q.FloatPrec()
	return q.FloatString(digits)
}

// Among reports whether text is one of a list.
func Among(text string, list ...string) bool { return slices.Contains(list, text) }

// Later is the latest of some times.
func Later(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// ListOf is a list of all, ascending, each once.
func ListOf[T cmp.Ordered](lists ...[]T) []T {
	list := append([]T{}, slices.Concat(lists...)...)
	slices.Sort(list)
	return slices.Compact(list)
}

// Show writes a value for people.
func Show(v any) string {
	if t, is := v.(time.Time); is && !t.IsZero() {
		return t.UTC().Format(time.RFC3339)
	} else if v == nil || reflect.ValueOf(v).IsZero() {
		return ""
	}
	return fmt.Sprint(v)
}

// When is a text if it is so, or nothing.
func When(is bool, text string) string {
	if is {
		return text
	}
	return ""
}
