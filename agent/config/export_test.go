package config

import "slices"

// Parse reads a file's text without looking at anything else. It neither fills
// in what may be left out nor finds secrets.
func Parse(text []byte) (Config, error) {
	c, problems := parse(text)
	if len(problems) > 0 {
		slices.SortStableFunc(problems, byLine)
		return Config{}, &Error{"text", problems}
	}
	return c, nil
}
