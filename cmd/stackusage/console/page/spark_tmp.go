package page

import "html/template"

func Sparkline(counts []int64, label string) template.HTML { return "" }
