package usages

import (
	"context"

	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

// Question is what the command was asked, for Env.View: the console answers it with what
// is read already, and reads the rest in the background.
type Question struct {
	Options usagereport.Options // as the flags have it
	reader  *usagelines.Reader
}

// Report answers with options that show the same usage otherwise: fewer rows, figures of
// days, or only what is in the cache. The report must be closed.
func (q *Question) Report(ctx context.Context, o usagereport.Options) (*usagereport.Report, error) {
	return usagereport.Run(ctx, q.reader, o)
}

// Fill reads what is not in the cache.
func (q *Question) Fill(ctx context.Context, progress func(done, total int)) error {
	return usagereport.Fill(ctx, q.reader, q.Options, progress)
}

// Notes say what a report does not cover; without Options.Compare, of the month alone.
func (q *Question) Notes(r *usagereport.Report) []string { return notes(r, q.Options) }

// NewQuestion is a question for tests, which have no storage account.
func NewQuestion(o usagereport.Options, reader *usagelines.Reader) *Question {
	return &Question{Options: o, reader: reader}
}
