package page

import (
	"fmt"
	"html/template"
	"math/big"
	"slices"
	"strings"
)

// Size of a sparkline, in pixels.
const (
	sparkWidth  = 240
	sparkHeight = 40
	sparkMargin = 3 // the dot of the last number has this radius
)

// Sparkline draws numbers as a line from the first to the last one, which has a dot. The
// label says what they are: people who do not see the picture hear it. The line begins at
// 0, or at the least number below it. There is no picture of no numbers.
func Sparkline(numbers []int64, label string) template.HTML {
	if len(numbers) == 0 {
		return ""
	}
	low, high := min(0, slices.Min(numbers)), max(0, slices.Max(numbers))
	span := new(big.Int).Sub(big.NewInt(high), big.NewInt(low))
	y := func(n int64) int64 {
		if span.Sign() == 0 {
			return sparkHeight - sparkMargin
		}
		above := new(big.Int).Sub(big.NewInt(n), big.NewInt(low))
		above.Mul(above, big.NewInt(sparkHeight-2*sparkMargin))
		return sparkHeight - sparkMargin - above.Quo(above, span).Int64()
	}
	points := make([]string, len(numbers))
	for i, n := range numbers {
		points[i] = fmt.Sprintf("%d,%d", sparkX(i, len(numbers)), y(n))
	}
	last := len(numbers) - 1
	if last == 0 { // a point has no line
		points = append([]string{fmt.Sprintf("%d,%d", sparkMargin, y(numbers[0]))}, points...)
	}
	label = template.HTMLEscapeString(label)
	return template.HTML(fmt.Sprintf(`<svg class="spark" role="img" aria-label="%s" width="%d" height="%d" viewBox="0 0 %d %d"><title>%s</title>`+
		`<line class="stroke-line" x1="0" x2="%d" y1="%d" y2="%d"/><polyline class="stroke-accent" stroke-width="1.5" stroke-linejoin="round" points="%s"/>`+
		`<circle class="f-accent" cx="%d" cy="%d" r="%d"/></svg>`,
		label, sparkWidth, sparkHeight, sparkWidth, sparkHeight, label, sparkWidth, y(0), y(0),
		strings.Join(points, " "), sparkX(last, len(numbers)), y(numbers[last]), sparkMargin))
}

// sparkX is where the number i of n stands; one alone stands at the end.
func sparkX(i, n int) int {
	if n == 1 {
		return sparkWidth - sparkMargin
	}
	return sparkMargin + i*(sparkWidth-2*sparkMargin)/(n-1)
}
