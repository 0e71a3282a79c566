package functionhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// hostConfig is what host.json says, with the defaults of the real host.
type hostConfig struct {
	functionTimeout time.Duration // 0: unbounded
	bundle          bool          // an extension bundle is asked for
	allow           []string      // names of the functions to load; nil: all

	executable  string
	arguments   []string
	workingDir  string
	forwarding  bool
	proxying    bool
	port        string
	initTimeout time.Duration

	routePrefix string
	queues      queueConfig
}

// queueConfig holds for every queue trigger of the app.
type queueConfig struct {
	batchSize         int
	newBatchThreshold int
	maxDequeueCount   int64
	visibilityTimeout time.Duration // delay before a failed message is seen again
	maxPolling        time.Duration
	base64            bool // messageEncoding
}

type hostJSON struct {
	Version         string           `json:"version"`
	FunctionTimeout string           `json:"functionTimeout"`
	Functions       []string         `json:"functions"`
	ExtensionBundle *json.RawMessage `json:"extensionBundle"`
	CustomHandler   *struct {
		Description struct {
			DefaultExecutablePath string   `json:"defaultExecutablePath"`
			WorkingDirectory      string   `json:"workingDirectory"`
			Arguments             []string `json:"arguments"`
		} `json:"description"`
		EnableForwardingHTTPRequest bool             `json:"enableForwardingHttpRequest"`
		EnableProxyingHTTPRequest   bool             `json:"enableProxyingHttpRequest"`
		Port                        string           `json:"port"`
		InitializationTimeout       *timeSpan        `json:"initializationTimeout"`
		HTTP                        *json.RawMessage `json:"http"`
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

// decodeHostJSON reads host.json. Keys it does not know are ignored, as the
// real host does.
func decodeHostJSON(b []byte) (*hostConfig, error) {
	var f hostJSON
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &f); err != nil {
		return nil, fmt.Errorf("decode host.json: %w", err)
	}
	if f.Version != "2.0" {
		return nil, fmt.Errorf(`decode host.json: version is %q, not "2.0"`, f.Version)
	}
	if f.CustomHandler == nil {
		return nil, errors.New("decode host.json: customHandler is missing")
	}
	ch := f.CustomHandler
	if ch.HTTP != nil {
		return nil, errors.New("decode host.json: customHandler.http cannot be used beside function.json files")
	}
	if ch.Description.DefaultExecutablePath == "" {
		return nil, errors.New("decode host.json: customHandler.description.defaultExecutablePath is missing")
	}
	c := &hostConfig{
		functionTimeout: 30 * time.Minute,
		bundle:          f.ExtensionBundle != nil,
		allow:           f.Functions,
		executable:      ch.Description.DefaultExecutablePath,
		arguments:       ch.Description.Arguments,
		workingDir:      ch.Description.WorkingDirectory,
		forwarding:      ch.EnableForwardingHTTPRequest,
		proxying:        ch.EnableProxyingHTTPRequest,
		port:            ch.Port,
		initTimeout:     span(ch.InitializationTimeout, 30*time.Second),
		routePrefix:     "api",
	}
	if f.Extensions.HTTP.RoutePrefix != nil {
		c.routePrefix = *f.Extensions.HTTP.RoutePrefix
	}
	if err := c.setTimeout(f.FunctionTimeout); err != nil {
		return nil, err
	}
	if err := c.setQueues(&f); err != nil {
		return nil, fmt.Errorf("decode host.json: extensions.queues: %w", err)
	}
	return c, nil
}

func (c *hostConfig) setTimeout(s string) error {
	switch s {
	case "":
		return nil
	case "-1":
		c.functionTimeout = 0
		return nil
	}
	d, err := parseTimeSpan(s)
	if err != nil {
		return fmt.Errorf("decode host.json: functionTimeout: %w", err)
	}
	if d < time.Second {
		return fmt.Errorf("decode host.json: functionTimeout %s is below one second", s)
	}
	c.functionTimeout = d
	return nil
}

func (c *hostConfig) setQueues(f *hostJSON) error {
	q := f.Extensions.Queues
	c.queues = queueConfig{
		batchSize:         orElse(q.BatchSize, 16),
		maxDequeueCount:   orElse(q.MaxDequeueCount, 5),
		visibilityTimeout: span(q.VisibilityTimeout, 0),
		maxPolling:        span(q.MaxPollingInterval, time.Minute),
	}
	c.queues.newBatchThreshold = orElse(q.NewBatchThreshold, c.queues.batchSize/2*runtime.NumCPU())
	switch enc := orElse(q.MessageEncoding, "base64"); enc {
	case "base64", "Base64":
		c.queues.base64 = true
	case "none", "None":
	default:
		return fmt.Errorf("messageEncoding %q is neither base64 nor none", enc)
	}
	switch {
	case c.queues.batchSize < 1 || c.queues.batchSize > 32:
		return fmt.Errorf("batchSize %d is not in 1 to 32", c.queues.batchSize)
	case c.queues.newBatchThreshold < 0:
		return fmt.Errorf("newBatchThreshold %d is negative", c.queues.newBatchThreshold)
	case c.queues.maxDequeueCount < 1:
		return fmt.Errorf("maxDequeueCount %d is below 1", c.queues.maxDequeueCount)
	case c.queues.maxPolling < minPolling:
		return fmt.Errorf("maxPollingInterval %v is below %v", c.queues.maxPolling, minPolling)
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
