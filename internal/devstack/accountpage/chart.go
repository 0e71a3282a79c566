package accountpage

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/color"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Size of the chart, in points. A page shows it as wide as it has room.
const (
	chartWidth  = 680
	chartHeight = 280
)

// palette has a colour for each meter with a bar of its own. Each has at least
// 4.5 to 1 against white, and bars are parted by white.
var palette = []color.RGBA{
	{0x00, 0x5a, 0x9e, 0xff}, {0xb3, 0x41, 0x0b, 0xff}, {0x10, 0x7c, 0x10, 0xff}, {0x6b, 0x3f, 0xa0, 0xff}, {0x7d, 0x5a, 0x00, 0xff},
}

// otherColor is of all further meters together.
var otherColor = color.RGBA{0x5c, 0x66, 0x70, 0xff}

var ink = color.RGBA{0x32, 0x31, 0x30, 0xff}

// series is one colour of the chart. Floating point is for drawing only.
type series struct {
	name   string
	color  color.Color
	values []float64 // by day
}

// drawCosts draws what each meter cost on each day as stacked bars, in SVG.
// What is below zero, because of corrections, hangs below the axis.
func drawCosts(costs dailyCosts, period string) ([]byte, error) {
	all, err := seriesOf(costs)
	if err != nil {
		return nil, err
	}
	p := plot.New()
	p.BackgroundColor = color.White
	p.Y.Label.Text = costs.Currency + " per day"
	p.X.Label.Text = "usage days of " + period + ", UTC"
	p.Y.Min = 0
	// Colours left of the names: a browser may write wider than it was measured.
	p.Legend.Top, p.Legend.Left = true, true
	styleText(p)
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal.Color = color.RGBA{0xd6, 0xd9, 0xdc, 0xff}
	p.Add(grid)
	width := vg.Length(chartWidth-160) / vg.Length(max(len(costs.Days), 6)) * 0.7
	if err := addBars(p, all, width); err != nil {
		return nil, err
	}
	p.NominalX(dayLabels(costs.Days)...)
	p.X.Min, p.X.Max = -0.6, float64(len(costs.Days))-0.4
	if p.Y.Max <= p.Y.Min {
		p.Y.Max = 1
	}
	p.Y.Max += (p.Y.Max - p.Y.Min) * 0.08

	canvas := vgsvg.New(chartWidth, chartHeight)
	dc := draw.New(canvas)
	// The legend stands beside the bars, not over them.
	legend := p.Legend
	p.Legend = plot.NewLegend()
	r := legend.Rectangle(dc)
	gap := vg.Length(14)
	room := (r.Max.X-r.Min.X)*1.15 + gap
	legend.Draw(draw.Crop(dc, chartWidth-room, 0, 0, -gap))
	p.Draw(draw.Crop(dc, 0, -room-gap, 0, -gap/2))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("draw costs: %w", err)
	}
	return titled(out.Bytes(), "Daily cost by meter, "+period, describe(costs))
}

func styleText(p *plot.Plot) {
	sans := func(size vg.Length) font.Font {
		return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size)
	}
	p.TextHandler = plot.DefaultTextHandler
	p.X.Tick.Label.Font, p.Y.Tick.Label.Font = sans(9), sans(9)
	p.X.Label.TextStyle.Font, p.Y.Label.TextStyle.Font = sans(9.5), sans(9.5)
	p.Legend.TextStyle.Font = sans(9.5)
	for _, c := range []*color.Color{&p.X.Tick.Label.Color, &p.Y.Tick.Label.Color, &p.X.Label.TextStyle.Color, &p.Y.Label.TextStyle.Color, &p.Legend.TextStyle.Color,
		&p.X.LineStyle.Color, &p.Y.LineStyle.Color, &p.Y.Tick.LineStyle.Color} {
		*c = ink
	}
	p.X.Label.Padding = 5
	p.Y.Padding, p.Legend.Padding = 2, 3
	p.Legend.ThumbnailWidth = 12
}

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

// addBars stacks what is above zero and what is below each on its own side.
func addBars(p *plot.Plot, all []series, width vg.Length) error {
	var top, bottom *plotter.BarChart
	for _, s := range all {
		above, below := make(plotter.Values, len(s.values)), make(plotter.Values, len(s.values))
		credit := false
		for i, v := range s.values {
			above[i], below[i] = max(v, 0), min(v, 0)
			credit = credit || v < 0
		}
		bars, err := newBars(above, width, s.color, top)
		if err != nil {
			return err
		}
		p.Add(bars)
		p.Legend.Add(s.name, bars)
		top = bars
		if !credit {
			continue
		}
		if bars, err = newBars(below, width, s.color, bottom); err != nil {
			return err
		}
		p.Add(bars)
		bottom = bars
	}
	return nil
}

func newBars(values plotter.Values, width vg.Length, c color.Color, on *plotter.BarChart) (*plotter.BarChart, error) {
	bars, err := plotter.NewBarChart(values, width)
	if err != nil {
		return nil, fmt.Errorf("draw bars: %w", err)
	}
	bars.Color = c
	bars.LineStyle.Color, bars.LineStyle.Width = color.White, 0.75
	if on != nil {
		bars.StackOn(on)
	}
	return bars, nil
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

// titled puts title and description into a drawing, for those who cannot see it.
func titled(drawing []byte, title, description string) ([]byte, error) {
	start := bytes.Index(drawing, []byte("<svg"))
	if start < 0 {
		return nil, errors.New("draw costs: the library drew no SVG")
	}
	end := bytes.IndexByte(drawing[start:], '>')
	if end < 0 {
		return nil, errors.New("draw costs: the library drew no SVG")
	}
	var out bytes.Buffer
	out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	out.Write(drawing[start : start+end])
	out.WriteString(` role="img" aria-labelledby="title description"><title id="title">`)
	xml.EscapeText(&out, []byte(title))
	out.WriteString(`</title><desc id="description">`)
	xml.EscapeText(&out, []byte(description))
	out.WriteString(`</desc>`)
	out.Write(drawing[start+end+1:])
	return out.Bytes(), nil
}
