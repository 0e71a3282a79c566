// Package table is access to the tables of the app: rows and their columns, the
// writes that a store can do, and the names of tables and containers. It knows
// nothing of what the rows mean, so that the code that writes them and the code
// that checks them share no more than this.
package table

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Props are the columns of a row: string, bool, int64 or time.Time.
type Props map[string]any

// Tag stands for one version of a row. Only the store knows what is in it.
type Tag string

// Row is one row of a table.
type Row struct {
	Partition, Key string
	Props          Props
	Tag            Tag // as read; empty in a row that was never stored
}

// Verb is what an Op does.
type Verb int

// Verbs. Update and Delete need the Tag of the version that was read.
const (
	Insert Verb = iota // ErrExists if the key is taken
	Put                // insert or replace
	Update             // replace; ErrChanged if the row is another version or gone
	Delete             // ErrChanged if the row is another version or gone
)

// Op is one write.
type Op struct {
	Verb Verb
	Row  Row
}

// Sentinels of a Store. Any other error is the store's own: it may or may not
// have stored, and the caller repeats the whole step.
var (
	ErrNotFound = errors.New("no such row")
	ErrExists   = errors.New("the row exists")
	ErrChanged  = errors.New("the row has changed")
)

// Condition holds for rows whose column has exactly the text Value. Filled and NotBefore
// make the other ones.
type Condition struct {
	Column, Value string

	Any  bool      // any text but the empty one, in place of Value
	From time.Time // if it is not zero: a time that is not before this one, in place of Value
}

// Filled holds for rows whose column has a text that is not empty.
func Filled(column string) Condition { return Condition{Column: column, Any: true} }

// NotBefore holds for rows whose column has a time, and none before from; of the zero time
// every time that a column can have.
func NotBefore(column string, from time.Time) Condition {
	if from.Year() < firstYear {
		from = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return Condition{Column: column, From: from}
}

// Holds reports whether the condition holds for a row with these columns.
func (c Condition) Holds(props Props) bool {
	switch have := props[c.Column].(type) {
	case time.Time:
		return !c.From.IsZero() && !have.Before(c.From)
	case string:
		return c.From.IsZero() && (c.Any && have != "" || !c.Any && have == c.Value)
	}
	return false
}

// Store is a set of tables. Implementations are safe for concurrent use and do
// not retry ErrExists or ErrChanged.
type Store interface {
	// Get reads one row; ErrNotFound if there is none.
	Get(ctx context.Context, table, partition, key string) (Row, error)
	// List reads rows in order of partition and key. An empty partition means
	// all. Rows have from <= key < to; an empty bound is open.
	List(ctx context.Context, table, partition, from, to string) iter.Seq2[Row, error]
	// Scan reads rows of the partitions from <= partition < to, in the order of
	// List; an empty bound is open. With conditions it reads only rows of which
	// one holds: the service looks for them, and the caller pays for what it gets.
	Scan(ctx context.Context, table, from, to string, any ...Condition) iter.Seq2[Row, error]
	// Apply does up to 100 writes in one partition, all or none. When it
	// returns nil the rows are stored; when it fails with a sentinel none is.
	Apply(ctx context.Context, table, partition string, ops ...Op) error
}
