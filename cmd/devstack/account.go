package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"text/tabwriter"

	"stackusage/internal/devstack/accountpage"
)

// accountName may sign in to the account page; its password is made anew by
// each start.
const accountName = "account@devstack.example"

// account is how to look at the bill.
type account struct{ url, name, password string }

// startAccountPage serves the account page before commerce.
func (s *site) startAccountPage() (account, error) {
	a := account{name: accountName, password: rand.Text()}
	page, err := accountpage.New(accountpage.Options{Commerce: s.commerce, Account: a.name, Password: a.password, Log: s.log})
	if err != nil {
		return a, err
	}
	a.url, err = s.serve(page)
	return a, err
}

func (a account) print(out io.Writer) {
	fmt.Fprintln(out, "\nSee the bill in a browser:")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{{"page", a.url}, {"account", a.name}, {"password", a.password}} {
		fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
	}
	w.Flush()
	fmt.Fprintln(out)
}
