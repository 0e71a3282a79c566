package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"stackusage/shared/prices"
	"stackusage/shared/reconcile/details"
)

// Prices are the flags that name where prices come from.
type Prices struct{ list, bill string }

// Flags adds --prices and --bill.
func (p *Prices) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.list, "prices", "", "price list `file` (default: STACKUSAGE_PRICES)")
	cmd.Flags().StringVar(&p.bill, "bill", "", "usage details `file` whose rates are used")
}

// Bill is the usage details file, empty if there is none.
func (p *Prices) Bill() string { return p.bill }

// Open reads the prices; nil if there are none.
func (p *Prices) Open(getenv func(string) string) (*prices.List, error) {
	path, read := p.list, prices.Read
	switch {
	case p.list != "" && p.bill != "":
		return nil, errors.New("--prices and --bill: want one of them")
	case p.bill != "":
		path, read = p.bill, details.Prices
	case p.list == "":
		path = getenv("STACKUSAGE_PRICES")
	}
	if path == "" {
		return nil, nil
	}
	return ReadFile(path, read)
}

// ReadFile reads a file of an operator; errors name it.
func ReadFile[T any](path string, read func(io.Reader) (T, error)) (into T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return into, err
	}
	defer f.Close()
	if into, err = read(f); err != nil {
		return into, fmt.Errorf("%s: %w", path, err)
	}
	return into, nil
}

// Args are the flags again, for another command.
func (p *Prices) Args() (args []string) {
	if p.list != "" {
		args = append(args, "--prices", p.list)
	}
	if p.bill != "" {
		args = append(args, "--bill", p.bill)
	}
	return args
}
