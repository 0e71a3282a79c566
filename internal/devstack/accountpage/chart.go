package accountpage

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// palette has a colour for each meter with a bar of its own. Each has at least
// 4.5 to 1 against white, and bars are parted by white.
var palette = []string{"#005a9e", "#b3410b", "#107c10", "#6b3fa0", "#7d5a00"}

// otherColor is of all further meters together.
const otherColor = "#5c6670"

// Edges of the bars' area in the drawing of web/costs.svg, which is 680 wide.
const (
	chartLeft, chartTop = 58.0, 14.0
	chartBottom         = 230.0
	chartWidth          = 680.0
)

// point is a coordinate as the drawing shows it. Floating point is for drawing only.
type point float64

func (p point) String() string { return strconv.FormatFloat(float64(p), 'f', 1, 64) }

// chart is what web/costs.svg shows.
type chart struct {
	Title, Description, XLabel, YLabel string
	Left, Right, Middle, Zero          point
	LegendX, BarWidth                  point
	Rows, Columns                      []mark
	Bars                               []bar
	Legend                             []entry
}

// mark is a label of an axis.
type mark struct {
	At    point
	Label string
}

type bar struct {
	X, Y, Height point
	Color        string
}

type entry struct {
	Y           point
	Color, Name string
}

// series is one colour of the chart.
type series struct {
	name, color string
	values      []float64 // by day
}

// chartOf shows what each meter cost on each day as stacked bars. What is below zero,
// because of corrections, hangs below the axis.
func chartOf(costs dailyCosts, period string) (chart, error) {
	all, err := seriesOf(costs)
	if err != nil {
		return chart{}, err
	}
	c := chart{
		Title: "Daily cost by meter, " + period, Description: describe(costs),
		XLabel: "usage days of " + period + ", UTC", YLabel: costs.Currency + " per day", Left: chartLeft,
	}
	longest := 0
	for i, s := range all {
		longest = max(longest, utf8.RuneCountInString(s.name))
		c.Legend = append(c.Legend, entry{point(chartTop + 17*float64(i)), s.color, s.name})
	}
	// A letter is about 5 wide. A browser may write wider than that: the legend stands
	// beside the bars, and has some room.
	c.Right = point(chartWidth - min(5.5*float64(longest)+30, 260))
	c.LegendX, c.Middle = c.Right+12, (c.Left+c.Right)/2
	low, high := extremes(all, len(costs.Days))
	step := tickStep(high - low)
	low, high = step*math.Floor(low/step), step*math.Ceil(high/step)
	at := func(v float64) point { return point(chartTop + (high-v)/(high-low)*(chartBottom-chartTop)) }
	for n := math.Round(low / step); n*step <= high+step/2; n++ {
		c.Rows = append(c.Rows, mark{at(n * step), strconv.FormatFloat(n*step, 'f', decimals(step), 64)})
	}
	c.Zero = at(0)
	width := (float64(c.Right) - chartLeft) / float64(max(len(costs.Days), 6))
	c.BarWidth = point(width * 0.7)
	for day, label := range dayLabels(costs.Days) {
		middle := chartLeft + (float64(c.Right)-chartLeft)*(float64(day)+0.5)/float64(len(costs.Days))
		c.Columns = append(c.Columns, mark{point(middle), label})
		above, below := 0.0, 0.0
		for _, s := range all {
			from, v := &above, s.values[day]
			if v < 0 {
				from = &below
			}
			if top := max(*from, *from+v); v != 0 {
				c.Bars = append(c.Bars, bar{point(middle - width*0.35), at(top), at(top-math.Abs(v)) - at(top), s.color})
			}
			*from += v
		}
	}
	return c, nil
}

// extremes are the lowest and the highest point of the stacked bars, zero between them.
func extremes(all []series, days int) (low, high float64) {
	for day := range days {
		above, below := 0.0, 0.0
		for _, s := range all {
			above += max(s.values[day], 0)
			below += min(s.values[day], 0)
		}
		low, high = min(low, below), max(high, above)
	}
	if low == high {
		high = 1
	}
	return low, high
}

// tickStep is 1, 2 or 5 times a power of ten, and parts a range into four to ten.
func tickStep(span float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(span/4)))
	for _, factor := range []float64{5, 2} {
		if span/(step*factor) >= 4 {
			return step * factor
		}
	}
	return step
}

// decimals is how many a multiple of a step needs.
func decimals(step float64) int { return max(0, -int(math.Floor(math.Log10(step*1.0001)))) }

// seriesOf gives the dearest meters a colour of their own and adds up the rest.
func seriesOf(costs dailyCosts) ([]series, error) {
	var all []series
	for i, m := range costs.Meters {
		values := make([]float64, len(costs.Days))
		for day, text := range m.Amounts {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("draw meter %s: amount %q is no number", m.MeterID, text)
			}
			values[day] = v
		}
		switch {
		case i < len(palette):
			all = append(all, series{meterText(m.MeterSubCategory, m.MeterName), palette[i], values})
		case i == len(palette):
			all = append(all, series{"Other meters", otherColor, values})
		default:
			other := all[len(palette)]
			for day, v := range values {
				other.values[day] += v
			}
		}
	}
	return all, nil
}

// dayLabels are short enough to stand side by side: days of the month, and the
// whole date where there is room.
func dayLabels(days []string) []string {
	labels := make([]string, len(days))
	for i, day := range days {
		labels[i] = day[min(len(day), 8):]
		if len(days) <= 8 {
			labels[i] = day[min(len(day), 5):]
		}
	}
	return labels
}

// describe says in words what the bars show.
func describe(costs dailyCosts) string {
	var parts []string
	for _, m := range costs.Meters {
		if text, err := fourDecimals(m.Amount); err == nil {
			parts = append(parts, meterText(m.MeterSubCategory, m.MeterName)+" "+text)
		}
	}
	return fmt.Sprintf("Stacked bars, one for each of %d days. In %s over all days: %s.", len(costs.Days), costs.Currency, strings.Join(parts, ", "))
}
