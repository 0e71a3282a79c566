package accountpage_test

import (
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// luminance of a colour #rrggbb, by WCAG 2.2.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimPrefix(color, "#"), 16, 32)
	if err != nil || len(color) != 7 {
		t.Fatalf("colour %q", color)
	}
	part := func(v uint64) float64 {
		c := float64(v&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(n>>16) + 0.7152*part(n>>8) + 0.0722*part(n)
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

var (
	cssRule  = regexp.MustCompile(`(?s)([^{}]+)\{([^{}]*)\}`)
	cssColor = regexp.MustCompile(`(?:^|;)\s*(color|background|border|border-left|outline|outline-color):[^;]*var\((--[a-z]+)\)`)
)

func TestContrastOfTheStyleSheet(t *testing.T) {
	text, err := os.ReadFile("web/style.css")
	if err != nil {
		t.Fatal(err)
	}
	css := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(text), "")
	named := regexp.MustCompile(`(--[a-z]+):\s*(#[0-9a-f]{6});`)
	light, dark := map[string]string{}, map[string]string{}
	for _, root := range regexp.MustCompile(`(?s)(prefers-color-scheme: dark\) \{\s*)?:root \{[^}]*`).FindAllStringSubmatch(css, -1) {
		colors := light
		if root[1] != "" {
			colors = dark
		}
		for _, m := range named.FindAllStringSubmatch(root[0], -1) {
			colors[m[1]] = m[2]
		}
	}
	if n := strings.Count(css, "#"); n != len(light)+len(dark) || len(light) != len(dark) {
		t.Errorf("%d colours are written, %d light and %d dark ones are named: a colour without a name is not checked", n, len(light), len(dark))
	}
	for scheme, colors := range map[string]map[string]string{"light": light, "dark": dark} {
		t.Run(scheme, func(t *testing.T) { checkContrast(t, css, colors) })
	}
}

// checkContrast checks each rule that sets a colour, and what must be seen to be used.
func checkContrast(t *testing.T, css string, colors map[string]string) {
	pairs := 0
	for _, rule := range cssRule.FindAllStringSubmatch(css, -1) {
		selector, set := strings.TrimSpace(rule[1]), map[string]string{}
		for _, m := range cssColor.FindAllStringSubmatch(rule[2], -1) {
			set[m[1]] = colors[m[2]]
		}
		if set["color"] != "" {
			if set["background"] == "" {
				t.Errorf("%s sets a colour and not what is behind it", selector)
				continue
			}
			pairs++
			if ratio := contrast(t, set["color"], set["background"]); ratio < 4.5 {
				t.Errorf("%s: text has %.2f to 1, WCAG AA wants 4.5", selector, ratio)
			}
		}
	}
	if pairs < 15 {
		t.Errorf("%d pairs were found", pairs)
	}
	for name, pair := range map[string][2]string{
		"edge of a field": {"--field", "--paper"}, "edge of a button": {"--link", "--paper"}, "focus": {"--strong", "--paper"},
		"focus beside the cards": {"--strong", "--page"}, "focus in the header": {"--onbar", "--bar"}, "mark of an error": {"--bad", "--pale"},
	} {
		if ratio := contrast(t, colors[pair[0]], colors[pair[1]]); ratio < 3 {
			t.Errorf("%s: %.2f to 1, WCAG AA wants 3", name, ratio)
		}
	}
}

func TestContrastOfTheChart(t *testing.T) {
	r := start(t, month()...)
	r.signIn()
	for _, look := range []string{"", "dark", "narrow", "narrow-dark"} {
		chart := r.get("/subscriptions/" + payer + "/costs.svg?period=2019-12&look=" + look).text
		paper, seen := "", map[string]bool{}
		for _, m := range regexp.MustCompile(`fill="(#[0-9A-Fa-f]{6})"/?>`).FindAllStringSubmatch(chart, -1) {
			seen[strings.ToLower(m[1])] = true
		}
		if m := regexp.MustCompile(`<rect width="[0-9.]+" height="[0-9]+" fill="(#[0-9a-f]{6})"`).FindStringSubmatch(chart); m != nil {
			paper = m[1]
			delete(seen, paper)
		}
		for color := range seen {
			if ratio := contrast(t, color, paper); ratio < 4.5 {
				t.Errorf("look %q: %s has %.2f to 1 against %s", look, color, ratio, paper)
			}
		}
		if len(seen) < 5 {
			t.Errorf("look %q: colours %v", look, seen)
		}
	}
	if got := r.get("/subscriptions/" + payer + "/costs.svg?period=2019-12&look=blue"); got.StatusCode != http.StatusNotFound {
		t.Errorf("a look that is not there: %s", got.Status)
	}
}
