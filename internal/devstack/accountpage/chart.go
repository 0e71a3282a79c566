package accountpage

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// look is how the chart is drawn: a picture in a page cannot know the page's width, nor
// reach its style sheet, so the page has one for each case.
type look struct {
	paper, ink, grid  string
	palette           []string // a colour for each meter with a bar of its own
	other             string   // of all further meters together
	width, left, font float64
	below             bool // the legend stands below the bars, not beside them
}

// light and dark are the colours: each of a bar or a text has at least 4.5 to 1 against the
// paper, and bars are parted by it.
var (
	light = look{paper: "#ffffff", ink: "#323130", grid: "#d6d9dc", palette: []string{"#005a9e", "#b3410b", "#107c10", "#6b3fa0", "#7d5a00"}, other: "#5c6670"}
	dark  = look{paper: "#1f2226", ink: "#d8dadd", grid: "#444a52", palette: []string{"#6cb8f6", "#f0976a", "#76c776", "#bc9cf0", "#dcb54c"}, other: "#a3adb8"}
)

// looks are those that an address may ask for.
var looks = map[string]look{"": light.wide(), "dark": dark.wide(), "narrow": light.narrow(), "narrow-dark": dark.narrow()}

func (l look) wide() look {
	l.width, l.left, l.font = 680, 58, 10
	return l
}

func (l look) narrow() look {
	l.width, l.left, l.font, l.below = 320, 52, 11, true
	return l
}

// Edges of the bars' area in every look.
const chartTop, chartBottom = 14.0, 230.0

// legendTop is the upper edge of a legend below the bars.
const legendTop = 282.0

// height is that of the whole picture.
func (l look) height(costs dailyCosts) int {
	if !l.below {
		return 280
	}
	return int(legendTop) + 17*min(len(costs.Meters), len(l.palette)+1)
}

// point is a coordinate as the drawing shows it. Floating point is for drawing only.
type point float64

func (p point) String() string { return strconv.FormatFloat(float64(p), 'f', 1, 64) }

// chart is what web/costs.svg shows.
type chart struct {
	Title, Description, XLabel, YLabel string
	Paper, Ink, Grid                   string
	Width, Font                        point
	Height                             int
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
func chartOf(costs dailyCosts, period string, look look) (chart, error) {
	all, err := seriesOf(costs, look)
	if err != nil {
		return chart{}, err
	}
	c := chart{
		Title: "Daily cost by meter, " + period, Description: describe(costs),
		XLabel: "usage days of " + period + ", UTC", YLabel: costs.Currency + " per day",
		Paper: look.paper, Ink: look.ink, Grid: look.grid, Width: point(look.width), Font: point(look.font), Height: look.height(costs), Left: point(look.left),
	}
	longest, top := 0, chartTop
	if look.below {
		top = legendTop
	}
	for i, s := range all {
		longest = max(longest, utf8.RuneCountInString(s.name))
		c.Legend = append(c.Legend, entry{point(top + 17*float64(i)), s.color, s.name})
	}
	if look.below {
		c.Right, c.LegendX = point(look.width-8), 8
	} else {
		// A letter is about 5 wide. A browser may write wider than that: the legend stands
		// beside the bars, and has some room.
		c.Right = point(look.width - min(5.5*float64(longest)+30, 260))
		c.LegendX = c.Right + 12
	}
	c.Middle = (c.Left + c.Right) / 2
	low, high := extremes(all, len(costs.Days))
	step := tickStep(high - low)
	low, high = step*math.Floor(low/step), step*math.Ceil(high/step)
	at := func(v float64) point { return point(chartTop + (high-v)/(high-low)*(chartBottom-chartTop)) }
	for n := math.Round(low / step); n*step <= high+step/2; n++ {
		c.Rows = append(c.Rows, mark{at(n * step), strconv.FormatFloat(n*step, 'f', decimals(step), 64)})
	}
	c.Zero = at(0)
	area := float64(c.Right - c.Left)
	width := area / float64(max(len(costs.Days), 6))
	c.BarWidth = point(width * 0.7)
	apart := int(math.Ceil(1.5 * look.font * float64(len(costs.Days)) / area)) // days from label to label
	for day, label := range dayLabels(costs.Days) {
		middle := look.left + area*(float64(day)+0.5)/float64(len(costs.Days))
		if day%apart == 0 {
			c.Columns = append(c.Columns, mark{point(middle), label})
		}
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
func seriesOf(costs dailyCosts, look look) ([]series, error) {
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
		case i < len(look.palette):
			all = append(all, series{meterText(m.MeterSubCategory, m.MeterName), look.palette[i], values})
		case i == len(look.palette):
			all = append(all, series{"Other meters", look.other, values})
		default:
			other := all[len(look.palette)]
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
