package stackapi

import (
	"bufio"
	"context"
	"io"
	"time"
)

// OnWait replaces the client's waiting by a note of how long it would wait.
func (c *Client) OnWait(note func(time.Duration)) {
	c.sleep = func(ctx context.Context, d time.Duration) error {
		note(d)
		return ctx.Err()
	}
}

// EndAfter bounds listings.
func (c *Client) EndAfter(pages int) { c.maxPages = pages }

// WaitForReal takes OnWait back.
func (c *Client) WaitForReal() { c.sleep = sleep }

// DecodePage decodes one answer and returns its nextLink.
func DecodePage(r io.Reader, most int64, row func([]byte) error) (string, error) {
	head, err := decodePage(&gauge{r: bufio.NewReader(r), most: most}, row)
	return head.next, err
}

var (
	ErrPageSize   = errPageSize
	ParseMetadata = parseMetadata
	ErrRowSize    = errRowSize
	ErrNoValue    = errNoValue
)
