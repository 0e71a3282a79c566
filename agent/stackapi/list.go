package stackapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"
)

// list follows a listing page by page to its end and hands on its rows.
//
// A listing ends with a page that has no nextLink. Early stamps sent a nextLink
// with every page and ended with a page without rows; as an empty page may
// also stand in the middle, the link of one empty page is followed once more.
func (c *Client) list(ctx context.Context, op string, link *url.URL, row func([]byte) error) (pages int, err error) {
	followed := map[[sha256.Size]byte]bool{sha256.Sum256([]byte(link.String())): true}
	empty := false
	for number := 1; ; number++ {
		p := &listing{client: c, op: op, number: number, link: link, row: row, delivered: sha256.New()}
		next, err := p.fetch(ctx)
		if err != nil {
			return pages, err
		}
		pages++
		wasEmpty := empty
		empty = p.rows == 0
		if next == "" || empty && wasEmpty {
			return pages, nil
		}
		if number >= c.conf.MaxPages {
			return pages, &Error{Op: op, Page: number, Code: "InvalidNextLink", Err: errors.New("the listing does not end")}
		}
		if link, err = c.follow(link, next); err != nil {
			return pages, &Error{Op: op, Page: number, Code: "InvalidNextLink", Err: err}
		}
		mark := sha256.Sum256([]byte(link.String()))
		if followed[mark] {
			if empty {
				return pages, nil
			}
			return pages, &Error{Op: op, Page: number, Code: "InvalidNextLink", Err: errors.New("nextLink was followed before")}
		}
		followed[mark] = true
	}
}

// follow resolves a nextLink and refuses one that leaves the stack: the token
// goes with the request.
func (c *Client) follow(from *url.URL, next string) (*url.URL, error) {
	link, err := from.Parse(next)
	if err != nil {
		// The parser's error quotes the link, which carries nothing to act on.
		return nil, errors.New("nextLink is not a URI")
	}
	if link.Scheme != c.base.Scheme || hostPort(link) != hostPort(c.base) || link.User != nil {
		return nil, fmt.Errorf("nextLink leads to another host, %s://%s", link.Scheme, link.Host)
	}
	link.Fragment = ""
	return link, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// listing is one page while it is being fetched.
type listing struct {
	client *Client
	op     string
	number int
	link   *url.URL
	row    func([]byte) error

	rows      int       // handed on
	delivered hash.Hash // over the rows handed on
	compact   bytes.Buffer
}

// fetch asks for the page until it has been handed on whole, and returns its
// nextLink.
func (p *listing) fetch(ctx context.Context) (next string, err error) {
	for try := 0; ; try++ {
		next, err := p.try(ctx)
		if err == nil {
			return next, nil
		}
		// Not errors.As: an error of the caller's row may wrap one of ours.
		answer, ours := err.(*Error)
		if !ours || !answer.transient || try >= p.client.conf.Retries {
			return "", err
		}
		if ctx.Err() != nil {
			return "", err
		}
		wait := p.client.wait(try, answer.RetryAfter)
		if wait > p.client.conf.MaxWait {
			return "", err
		}
		if retried := p.client.conf.Retried; retried != nil {
			retried(ctx, answer, wait)
		}
		if stopped := p.client.sleep(ctx, wait); stopped != nil {
			return "", fmt.Errorf("%w; not asked again: %w", err, stopped)
		}
	}
}

// wait returns how long to wait after the given try (from 0): never less than
// the stack asked for.
func (c *Client) wait(try int, asked time.Duration) time.Duration {
	d := c.conf.Backoff
	for range try {
		if d >= c.conf.MaxWait/2 {
			break
		}
		d *= 2
	}
	d = min(d, c.conf.MaxWait)
	d -= rand.N(d/2 + 1)
	return max(d, asked)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// replay leads one try of a page past the rows that an earlier try has handed
// on. They are not kept, only their hash: the try must begin with the same
// rows, or the hour as a whole cannot be told.
type replay struct {
	page *listing
	want int // rows handed on by earlier tries
	seen int
	hash hash.Hash
}

// ErrChanged means that a page was asked for again, as its first answer was cut,
// and began with other rows. Ask for the whole hour again.
var ErrChanged = errors.New("the page answers with other rows than before")

func (r *replay) row(raw []byte) error {
	if r.seen < r.want {
		r.seen++
		add(r.hash, raw)
		if r.seen == r.want {
			return r.check()
		}
		return nil
	}
	add(r.page.delivered, raw)
	r.page.rows++
	if bytes.ContainsAny(raw, "\r\n") {
		r.page.compact.Reset()
		if err := json.Compact(&r.page.compact, raw); err != nil {
			return err
		}
		raw = r.page.compact.Bytes()
	}
	return r.page.row(raw)
}

// check is called when the rows of earlier tries, or the page, are through.
func (r *replay) check() error {
	if r.seen < r.want || !bytes.Equal(r.hash.Sum(nil), r.page.delivered.Sum(nil)) {
		return ErrChanged
	}
	return nil
}

// add hashes a row and where it ends.
func add(h hash.Hash, raw []byte) {
	h.Write(raw)
	h.Write([]byte{'\n'})
}
