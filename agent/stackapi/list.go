package stackapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxEmpty is how many pages without rows may follow one another: the stack that
// sends more of them is throttling, or broken.
const maxEmpty = 20

// emptyTries is how often a page without rows is asked for again before it is
// believed.
const emptyTries = 3

var (
	errEmpty   = errors.New("the stack returns pages without rows and does not end the listing")
	errRepeats = fmt.Errorf("a page repeats the rows of an earlier one: %w", ErrChanged)
)

// listing is one query, page by page.
type listing struct {
	client   *Client
	op       string
	end      time.Time // of what is asked for, by the stack's clock; zero for what has no end
	endEmpty bool      // a page without rows ends it, if rows came before
	row      func([]byte) error

	followed map[[sha256.Size]byte]bool // links
	told     map[[sha256.Size]byte]bool // rows of a page
	rows     bool                       // any were handed on
	empty    int                        // pages in a row without rows
}

// list follows a listing to its end and hands on its rows.
//
// A listing ends with a page that has no nextLink. A page without rows that has one
// ends nothing: a throttled stack answers so, and the rows come behind it. On stacks
// of 2017, which send a nextLink with every page, it does end the listing, if it
// stays empty when it is asked for again.
func (l *listing) list(ctx context.Context, link *url.URL) (pages int, err error) {
	l.followed = map[[sha256.Size]byte]bool{sha256.Sum256([]byte(link.String())): true}
	l.told = map[[sha256.Size]byte]bool{}
	for number := 1; ; number++ {
		p := &page{listing: l, number: number, link: link, delivered: sha256.New()}
		next, err := p.settled(ctx)
		if err != nil {
			return pages, err
		}
		pages++
		if next == nil {
			return pages, nil
		}
		if number >= l.client.maxPages {
			return pages, p.fail(nil, &Error{Code: "InvalidNextLink", Err: errors.New("the listing does not end")})
		}
		link = next
		l.followed[sha256.Sum256([]byte(link.String()))] = true
	}
}

// settled fetches the page and returns the link to the next one, nil at the end of
// the listing. A page without rows that would end or break the listing is asked for
// again before.
func (p *page) settled(ctx context.Context) (next *url.URL, err error) {
	l := p.listing
	for try := 0; ; try++ {
		text, err := p.fetch(ctx)
		if err != nil {
			return nil, err
		}
		next = nil
		if text != "" {
			if next, err = l.client.follow(p.link, text); err != nil {
				return nil, p.fail(nil, &Error{Code: "InvalidNextLink", Err: err})
			}
		}
		back := next != nil && l.followed[sha256.Sum256([]byte(next.String()))]
		if p.rows > 0 {
			sum := [sha256.Size]byte(p.delivered.Sum(nil))
			switch {
			case back:
				return nil, p.fail(nil, &Error{Code: "InvalidNextLink", Err: errors.New("nextLink was followed before")})
			case l.told[sum]: // also by the last page, or its rows would be billed twice
				return nil, p.fail(nil, &Error{Code: "ListingChanged", Err: errRepeats})
			}
			l.told[sum], l.rows, l.empty = true, true, 0
			return next, nil
		}
		if next == nil {
			return nil, nil
		}
		ends := l.endEmpty && l.rows
		if !back && !ends {
			if l.empty++; l.empty >= maxEmpty {
				return nil, p.fail(nil, &Error{Code: "EmptyPages", Err: errEmpty, transient: true})
			}
			return next, l.client.sleep(ctx, l.client.wait(0, 0))
		}
		if try >= emptyTries {
			if ends {
				return nil, nil
			}
			return nil, p.fail(nil, &Error{Code: "EmptyPages", Err: errEmpty, transient: true})
		}
		if err := l.client.sleep(ctx, l.client.wait(try, 0)); err != nil {
			return nil, err
		}
	}
}

// follow resolves a nextLink. The token goes with the request, so it only ever goes
// to the configured endpoint: of a link that names the stack by another port or host
// name, as one behind a load balancer does, path and query are taken. Of another
// host name only a link to the same resource is the stack's.
func (c *Client) follow(from *url.URL, next string) (*url.URL, error) {
	link, err := from.Parse(next)
	if err != nil {
		// The parser's error quotes the link, which carries nothing to act on.
		return nil, errors.New("nextLink is not a URI")
	}
	web := link.Scheme == "http" || link.Scheme == "https"
	same := strings.EqualFold(link.Hostname(), c.base.Hostname()) || strings.EqualFold(strings.TrimPrefix(link.Path, "/"), strings.TrimPrefix(from.Path, "/"))
	if !web || !same || link.User != nil {
		return nil, fmt.Errorf("nextLink leads to another host, %s://%s", link.Scheme, link.Host)
	}
	link.Scheme, link.Host, link.Fragment = c.base.Scheme, c.base.Host, ""
	return link, nil
}

// page is one page of a listing while it is being fetched.
type page struct {
	*listing
	number int
	link   *url.URL

	rows      int       // handed on
	delivered hash.Hash // over the rows handed on
	compact   bytes.Buffer
	refreshed bool // the token, for this page
}

// fetch asks for the page until it has been handed on whole, and returns its
// nextLink.
func (p *page) fetch(ctx context.Context) (next string, err error) {
	for try := 0; ; try++ {
		next, err := p.try(ctx)
		if err == nil {
			return next, nil
		}
		// Not errors.As: an error of the caller's row may wrap one of ours.
		answer, ours := err.(*Error)
		if ours && answer.Status == http.StatusUnauthorized && p.client.conf.Refresh != nil && !p.refreshed {
			p.refreshed = true
			p.client.conf.Refresh(ctx)
			continue
		}
		most := p.client.conf.Retries
		if ours && answer.TimedOut() && p.number == 1 && p.rows == 0 {
			most = min(most, 1) // each takes minutes, and what is too large will be so again
		}
		if !ours || !answer.transient || try >= most {
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
	page *page
	want int // rows handed on by earlier tries
	seen int
	hash hash.Hash
}

// ErrChanged means that a page was asked for again, as its first answer was cut,
// and began with other rows. Ask for the whole hour again.
var ErrChanged = errors.New("the page has other rows than before")

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
	if bytes.IndexByte(raw, '\n') >= 0 || bytes.IndexByte(raw, '\r') >= 0 {
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

// seeds are of this process: what a hash is compared with is of the same one.
var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// add hashes a row by 128 bits that no stack can aim at, as it does not know the seeds.
// SHA-256 of the rows themselves costs half a second per million.
func add(h hash.Hash, raw []byte) {
	var row [16]byte
	for i, seed := range seeds {
		binary.LittleEndian.PutUint64(row[8*i:], maphash.Bytes(seed, raw))
	}
	h.Write(row[:])
}
