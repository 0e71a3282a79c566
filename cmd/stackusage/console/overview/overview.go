// Package overview is the first page of the console: is all well, and how far is each
// stack.
package overview

import (
	"embed"

	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/status"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// Show makes the page.
func Show(r *page.Request) (*page.Page, error) {
	p := &page.Page{Title: "Overview", Section: "/"}
	p.Part(r, "registrations", "Registrations", func(part *page.Part) error {
		part.Command = []string{"status"}
		return page.Ask(r, func(s status.Status) error {
			return part.Render(templates, "cards", s)
		}, part.Command...)
	})
	return p, nil
}
