package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Config is what host.json says, with the defaults of the real host.
type Config struct {
	FunctionTimeout time.Duration // 0: unbounded
	Executable      string        // of the handler, below the app's folder
	InitTimeout     time.Duration // for the handler to answer
	RoutePrefix     string        // of HTTP functions
	Queues          Queues
}

// Queues holds for every queue trigger of the app.
type Queues struct {
	BatchSize         int
	NewBatchThreshold int
	MaxDequeueCount   int64
	VisibilityTimeout time.Duration // delay before a failed message is seen again
	MaxPolling        time.Duration
}

// MinPolling is the shortest wait between two polls, in host time.
const MinPolling = 100 * time.Millisecond

type hostJSON struct {
	Version         string           `json:"version"`
	FunctionTimeout string           `json:"functionTimeout"`
	Logging         *json.RawMessage `json:"logging"` // of Application Insights, which is not here
	ExtensionBundle *json.RawMessage `json:"extensionBundle"`
	CustomHandler   *struct {
		Description struct {
			DefaultExecutablePath string `json:"defaultExecutablePath"`
		} `json:"description"`
		EnableProxyingHTTPRequest bool      `json:"enableProxyingHttpRequest"`
		InitializationTimeout     *timeSpan `json:"initializationTimeout"`
	} `json:"customHandler"`
	Extensions struct {
		Queues struct {
			BatchSize          *int      `json:"batchSize"`
			NewBatchThreshold  *int      `json:"newBatchThreshold"`
			MaxDequeueCount    *int64    `json:"maxDequeueCount"`
			VisibilityTimeout  *timeSpan `json:"visibilityTimeout"`
			MaxPollingInterval *timeSpan `json:"maxPollingInterval"`
			MessageEncoding    *string   `json:"messageEncoding"`
		} `json:"queues"`
		HTTP struct {
			RoutePrefix *string `json:"routePrefix"`
		} `json:"http"`
	} `json:"extensions"`
}

func decodeHostJSON(b []byte) (*Config, error) {
	var f hostJSON
	if err := decode(b, &f); err != nil {
		return nil, fmt.Errorf("decode host.json: %w", err)
	}
	ch := f.CustomHandler
	switch {
	case f.Version != "2.0":
		return nil, fmt.Errorf(`decode host.json: version is %q, not "2.0"`, f.Version)
	case ch == nil:
		return nil, errors.New("decode host.json: customHandler is missing")
	case ch.Description.DefaultExecutablePath == "":
		return nil, errors.New("decode host.json: customHandler.description.defaultExecutablePath is missing")
	case !ch.EnableProxyingHTTPRequest:
		return nil, errors.New("decode host.json: customHandler.enableProxyingHttpRequest is not true: the stand-in has no other HTTP")
	case f.ExtensionBundle == nil:
		return nil, errors.New("decode host.json: extensionBundle is missing: queue triggers need it")
	}
	c := &Config{
		FunctionTimeout: 30 * time.Minute,
		Executable:      ch.Description.DefaultExecutablePath,
		InitTimeout:     span(ch.InitializationTimeout, 30*time.Second),
		RoutePrefix:     orElse(f.Extensions.HTTP.RoutePrefix, "api"),
	}
	if err := c.setTimeout(f.FunctionTimeout); err != nil {
		return nil, err
	}
	if err := c.setQueues(&f); err != nil {
		return nil, fmt.Errorf("decode host.json: extensions.queues: %w", err)
	}
	return c, nil
}

func (c *Config) setTimeout(s string) error {
	switch s {
	case "":
		return nil
	case "-1":
		c.FunctionTimeout = 0
		return nil
	}
	var d timeSpan
	if err := d.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("decode host.json: functionTimeout: %w", err)
	}
	if time.Duration(d) < time.Second {
		return fmt.Errorf("decode host.json: functionTimeout %s is below one second", s)
	}
	c.FunctionTimeout = time.Duration(d)
	return nil
}

func (c *Config) setQueues(f *hostJSON) error {
	q := f.Extensions.Queues
	batch := orElse(q.BatchSize, 16)
	c.Queues = Queues{
		BatchSize:         batch,
		NewBatchThreshold: orElse(q.NewBatchThreshold, batch/2*runtime.NumCPU()),
		MaxDequeueCount:   orElse(q.MaxDequeueCount, 5),
		VisibilityTimeout: span(q.VisibilityTimeout, 0),
		MaxPolling:        span(q.MaxPollingInterval, time.Minute),
	}
	switch {
	case orElse(q.MessageEncoding, "base64") != "base64":
		return fmt.Errorf("messageEncoding %q is not base64", *q.MessageEncoding)
	case batch < 1 || batch > 32:
		return fmt.Errorf("batchSize %d is not in 1 to 32", batch)
	case c.Queues.NewBatchThreshold < 0:
		return fmt.Errorf("newBatchThreshold %d is negative", c.Queues.NewBatchThreshold)
	case c.Queues.MaxDequeueCount < 1:
		return fmt.Errorf("maxDequeueCount %d is below 1", c.Queues.MaxDequeueCount)
	case c.Queues.MaxPolling < MinPolling:
		return fmt.Errorf("maxPollingInterval %v is below %v", c.Queues.MaxPolling, MinPolling)
	}
	return nil
}

func orElse[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func span(p *timeSpan, otherwise time.Duration) time.Duration {
	return time.Duration(orElse(p, timeSpan(otherwise)))
}
