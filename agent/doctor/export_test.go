package doctor

import (
	"context"
	"time"
)

// Clock compares clocks that are ahead of this machine's, by host.
func Clock(hosts []string, ahead []time.Duration) Result {
	e := &examination{}
	for i, host := range hosts {
		e.clocks = append(e.clocks, clock{host, ahead[i]})
	}
	return e.clock(context.Background())
}

// Usage asks a stack for usage.
func Usage(ctx context.Context, parts Parts) Result {
	return (&examination{parts: parts}).usage(ctx)
}

// Agent asks what the agent says.
func Agent(parts Parts) Result { return (&examination{parts: parts}).agent(context.Background()) }

// ExplainCreate explains why storage took no blob.
func ExplainCreate(parts Parts, err error) Result {
	return (&examination{parts: parts}).explainCreate(err)
}

var (
	Explain  = explain
	SizeText = sizeText
)
