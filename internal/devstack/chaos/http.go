package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// call sends a request and returns the body of a response that is no failure.
func call(ctx context.Context, method, url, body string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: HTTP %d", method, url, resp.StatusCode)
	}
	return resp.Body, nil
}

func send(ctx context.Context, method, url, body string) error {
	answer, err := call(ctx, method, url, body)
	if err != nil {
		return err
	}
	return answer.Close()
}
