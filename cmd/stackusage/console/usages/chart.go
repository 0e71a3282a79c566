package usages

import (
	"fmt"
	"math/big"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
)

// Heights of the picture, in pixels. Its width is that of the page: places across are in
// per cent, so that texts keep their size.
const (
	barsTop    = 8
	barsHeight = 230
	axisHeight = 22
)

// series are the amounts, or quantities, of one group by day.
type series struct {
	Label, Whole, Href string // Whole: if Label is shorter
	Number             int    // in the picture, from 1; 0: all others
	Total              usage.Quantity
	Share              string
	Days               map[usage.Day]usage.Quantity
}

// dayMark is what is to be known of a day beside its bar.
type dayMark struct {
	Kind string // of marks
	Text string // of which registration, and why
}

// kinds of marks, the one first that says most: a day has the hatching of one.
const (
	notClosed = "none"
	notRead   = "unread"
	dayOpen   = "open"
)

// figure is the picture: a bar for each day, with a segment for each series.
type figure struct {
	Label  string // for people who do not see it
	Height int
	Gutter int // width of the axis, in pixels
	Zero   string
	Ticks  []tick
	Bars   []bar
	Legend []series // as they are stacked, from the axis on
	Unit   string
	Keys   []key

	Quantities bool // not amounts of money
}

type tick struct{ Y, TextY, Text string }

// bar is a day.
type bar struct {
	X, Width, Middle     string // per cent
	HatchX, HatchWidth   string
	Day                  string // its number in the month
	Minor                bool   // has no number where there is little room
	Href, Title, Hatch   string
	Segments             []segment
	Net                  string // height of the sum, where a part of the day is negative
	LabelY               int
	HatchTop, HatchSpace int
}

// segment is what a series has on a day.
type segment struct {
	Number    int
	Y, Height string
	Title     string
}

// key is what the legend says of days beside their bars. One without a kind is of the line
// of Net.
type key struct{ Kind, Text string }

// rat is a number as it is.
func rat(q usage.Quantity) *big.Rat {
	r, _ := new(big.Rat).SetString(q.String()) // it is a number
	return r
}

// pixels is a place with two decimals.
func pixels(r *big.Rat) string {
	text := strings.TrimRight(r.FloatString(2), "0")
	return strings.TrimSuffix(text, ".")
}

// cut is a place that is rounded to what pixels shows, so that heights of segments add up
// to the height of their bar.
func cut(r *big.Rat) *big.Rat {
	cut, _ := new(big.Rat).SetString(r.FloatString(2)) // it is a number
	return cut
}

// scale is the axis: where values stand.
type scale struct{ low, high, step *big.Rat }

// scaleOf has round steps, about five of them, and 0 on it.
func scaleOf(low, high *big.Rat) scale {
	span := new(big.Rat).Sub(high, low)
	if span.Sign() == 0 {
		return scale{new(big.Rat), big.NewRat(1, 1), nil}
	}
	least := span.Quo(span, big.NewRat(5, 1))
	step := big.NewRat(1, 1)
	ten := big.NewRat(10, 1)
	for step.Cmp(least) > 0 {
		step.Quo(step, ten)
	}
	for new(big.Rat).Mul(step, ten).Cmp(least) <= 0 {
		step.Mul(step, ten)
	}
	for _, times := range []int64{1, 2, 5, 10} {
		if s := new(big.Rat).Mul(step, big.NewRat(times, 1)); s.Cmp(least) >= 0 {
			step = s
			break
		}
	}
	s := scale{new(big.Rat), new(big.Rat), step}
	for s.high.Cmp(high) < 0 {
		s.high.Add(s.high, step)
	}
	for s.low.Cmp(low) > 0 {
		s.low.Sub(s.low, step)
	}
	return s
}

// y is the place of a value, from the top.
func (s scale) y(value *big.Rat) *big.Rat {
	below := new(big.Rat).Sub(s.high, value)
	below.Mul(below, big.NewRat(barsHeight, 1)).Quo(below, new(big.Rat).Sub(s.high, s.low))
	return cut(below.Add(below, big.NewRat(barsTop, 1)))
}

// ticks are the lines of the axis.
func (s scale) ticks() (all []tick) {
	if s.step == nil {
		return []tick{tickAt(s.y(s.low), "0")}
	}
	for v := new(big.Rat).Set(s.low); v.Cmp(s.high) <= 0; v.Add(v, s.step) {
		text := "0"
		if q, err := usage.ParseQuantity(v.FloatString(decimals(s.step))); err == nil {
			text, _ = cli.Rounded(q, 0, 30)
		}
		all = append(all, tickAt(s.y(v), text))
	}
	return all
}

func tickAt(y *big.Rat, text string) tick {
	return tick{pixels(y), pixels(new(big.Rat).Add(y, big.NewRat(4, 1))), text}
}

// decimals are how many a step has.
func decimals(step *big.Rat) int {
	n := 0
	for r := new(big.Rat).Set(step); !r.IsInt() && n < 30; n++ {
		r.Mul(r, big.NewRat(10, 1))
	}
	return n
}

// draw draws the days. Positive values stand on the axis in the order of the series, and
// negative ones hang below it.
func draw(days []usage.Day, all []series, unit string, marks map[usage.Day][]dayMark, href func(usage.Day) string) *figure {
	low, high := new(big.Rat), new(big.Rat)
	for _, day := range days {
		up, down := new(big.Rat), new(big.Rat)
		for _, s := range all {
			switch v := rat(s.Days[day]); v.Sign() {
			case 1:
				up.Add(up, v)
			case -1:
				down.Add(down, v)
			}
		}
		if up.Cmp(high) > 0 {
			high = up
		}
		if down.Cmp(low) < 0 {
			low = down
		}
	}
	axis := scaleOf(low, high)
	f := &figure{Height: barsTop + barsHeight + axisHeight, Zero: pixels(axis.y(new(big.Rat))), Ticks: axis.ticks(), Legend: all, Unit: unit}
	for _, t := range f.Ticks {
		f.Gutter = max(f.Gutter, 10+7*len(t.Text))
	}
	for i, day := range days {
		f.Bars = append(f.Bars, barOf(i, len(days), day, all, axis, unit, marks[day]))
		f.Bars[i].Href = href(day)
	}
	return f
}

func barOf(i, n int, day usage.Day, all []series, axis scale, unit string, marks []dayMark) bar {
	column := big.NewRat(100, int64(n))
	at := func(part *big.Rat) string {
		return pixels(part.Mul(part.Add(part, big.NewRat(int64(i), 1)), column)) + "%"
	}
	number := i + 1
	b := bar{Day: day.Start().Format("2"), Minor: number%5 != 0 && number != 1, LabelY: barsTop + barsHeight + axisHeight - 6,
		X: at(big.NewRat(16, 100)), Middle: at(big.NewRat(1, 2)), Width: pixels(new(big.Rat).Mul(column, big.NewRat(68, 100))) + "%",
		HatchX: at(new(big.Rat)), HatchWidth: pixels(column) + "%", HatchTop: barsTop, HatchSpace: barsHeight}
	var total usage.Quantity
	up, down := new(big.Rat), new(big.Rat)
	for _, s := range all {
		q, used := s.Days[day]
		if !used {
			continue
		}
		total = total.Add(q)
		side := up
		if q.Sign() < 0 {
			side = down
		}
		from := axis.y(side)
		side.Add(side, rat(q))
		to := axis.y(side)
		if from.Cmp(to) < 0 {
			from, to = to, from
		}
		height := new(big.Rat).Sub(from, to)
		if height.Sign() == 0 {
			continue
		}
		b.Segments = append(b.Segments, segment{Number: s.Number, Y: pixels(to), Height: pixels(height),
			Title: fmt.Sprintf("%s, %s: %s %s", day, s.Label, q, unit)})
	}
	if down.Sign() < 0 {
		b.Net = pixels(axis.y(rat(total)))
	}
	b.Title = fmt.Sprintf("%s: %s %s", day, total, unit)
	for _, kind := range []string{notClosed, notRead, dayOpen} {
		for _, m := range marks {
			if m.Kind != kind {
				continue
			}
			b.Title += "; " + m.Text
			if b.Hatch == "" {
				b.Hatch = kind
			}
		}
	}
	return b
}
