// Package view is what devstack up keeps open for a person to look at.
package view

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"text/tabwriter"

	"stackusage/internal/devstack/accountpage"
)

// accountName may sign in to the account page; its password is made anew by
// each start.
const accountName = "account@devstack.example"

// Account is how to look at the bill.
type Account struct{ URL, Name, Password string }

// NewAccount makes the account page before commerce. Its URL is that where the caller
// serves it.
func NewAccount(commerce string, log *slog.Logger) (Account, http.Handler, error) {
	a := Account{Name: accountName, Password: rand.Text()}
	page, err := accountpage.New(accountpage.Options{Commerce: commerce, Account: a.Name, Password: a.Password, Log: log})
	return a, page, err
}

// Print says how to sign in.
func (a Account) Print(out io.Writer) {
	fmt.Fprintln(out, "\nSee the bill in a browser:")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{{"page", a.URL}, {"account", a.Name}, {"password", a.Password}} {
		fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
	}
	w.Flush()
	fmt.Fprintln(out)
}
