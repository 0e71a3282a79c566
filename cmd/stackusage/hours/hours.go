// Package hours is stackusage hour: hour blobs, and the decisions about them.
package hours

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// Command is stackusage hour.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("hour", "Show and compare hour blobs, decide which are accepted", `
stackusage hour list --verdict conflict
stackusage hour show --hour 2019-12-10T19:00Z --by meter
stackusage hour compare --hour 2019-12-10T19:00Z --sha16 0123456789abcdef
stackusage hour resolve --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --keep --reason "sent twice"`,
		list(e), show(e), compare(e), resolve(e), reingest(e), exclude(e), acceptMissing(e))
}

// file is a file that a command names.
type file struct {
	of   *cli.Registration
	hour cli.Hour
	id   hourlog.ID
}

// flags adds the flags that name the file.
func (f *file) flags(cmd *cobra.Command) {
	f.hour.Flag(cmd)
	cmd.Flags().StringVar(&f.id.SHA16, "sha16", "", "`hash` in the name of the file, as hour list shows it")
}

// check reads what the flags say.
func (f *file) check() (err error) {
	if f.id.Hour, err = f.hour.Get(); err == nil {
		f.id.SHA16, err = parseSHA16("--sha16", f.id.SHA16)
	}
	return err
}

// begin checks the flags, and connects.
func (f *file) begin(ctx context.Context) (storage *cli.Storage, err error) {
	if err = f.check(); err == nil {
		storage, f.id.CloudID, err = f.of.CloudID(ctx)
	}
	return storage, err
}

// decision is a decision about one file.
type decision struct {
	cli.Decision
	file
	env *cli.Env
}

// flags adds the flags of the decision.
func (d *decision) flags(e *cli.Env, cmd *cobra.Command) {
	d.env = e
	d.Flags(e, cmd)
	d.file.flags(cmd)
}

// begin checks the flags, and connects.
func (d *decision) begin(ctx context.Context) (storage *cli.Storage, err error) {
	if err = d.check(); err == nil {
		storage, d.id.CloudID, err = d.CloudID(ctx)
	}
	return storage, err
}

var sha16Pattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

// parseSHA16 reads the hash in the name of a file, in upper or lower case.
func parseSHA16(flag, text string) (string, error) {
	sha16 := strings.ToLower(text)
	if !sha16Pattern.MatchString(sha16) {
		return "", fmt.Errorf("%s %q: must be 16 hex digits, as stackusage hour list shows them", flag, text)
	}
	return sha16, nil
}

// done prints what was decided.
func (d *decision) done(h hourlog.Hour, format string, args ...any) error {
	return cli.Result(d.env, rowOf(hourlog.Landed{ID: d.id, Hour: h}), format, args...)
}

// unresolved adds to the error of a decision where to look next.
func unresolved(err error) error {
	switch {
	case errors.Is(err, table.ErrNotFound):
		return fmt.Errorf("%w: no such file has a verdict, or none is accepted for the hour yet; stackusage hour list shows what landed, and the hours of a stack that is not registered are accepted once it is", err)
	case errors.Is(err, reasoned.ErrDecided):
		return fmt.Errorf("%w; stackusage hour list shows the verdict of each file", err)
	}
	return err
}

// announce has IngestHour read a file: it has the disk and the limits for it. Should the
// message get lost, Sweep or the same command sends it again.
func announce(ctx context.Context, s *cli.Storage, id hourlog.ID) error {
	name := landing.Name{CloudID: id.CloudID, Hour: id.Hour, SHA16: id.SHA16}
	if err := s.Usage.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0); err != nil {
		return fmt.Errorf("the decision is recorded, but not announced; run the command again: %w", err)
	}
	return nil
}
