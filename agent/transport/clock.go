package transport

import (
	"net/http"
	"sync"
	"time"
)

// jump is what a clock may be off, or change, without a word: Date has whole seconds,
// and an answer may be long on its way.
const jump = time.Minute

// Clocks compares this machine's clock with the Date of every answer, by host. The
// zero value is ready.
type Clocks struct {
	// Jumped is told when a host's clock is found off, and each time that changes:
	// its clock or this machine's was set. Set it before the first request.
	Jumped func(host string, ahead, before time.Duration)

	mu    sync.Mutex
	ahead map[string]time.Duration
}

func (c *Clocks) observe(resp *http.Response) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return
	}
	host, ahead := resp.Request.URL.Host, date.Sub(time.Now().Round(0)).Round(time.Second)
	c.mu.Lock()
	before := c.ahead[host]
	jumped := (ahead - before).Abs() > jump
	if jumped {
		if c.ahead == nil {
			c.ahead = map[string]time.Duration{}
		}
		c.ahead[host] = ahead
	}
	c.mu.Unlock()
	if jumped && c.Jumped != nil {
		c.Jumped(host, ahead, before)
	}
}
