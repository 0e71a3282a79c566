package page_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"stackusage/cmd/stackusage/console/page"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	const line = "--------------------------------------------------------------------------------\n"
	const dump = "GET https://account.table.core.windows.net/Batches()\n" + line + "RESPONSE 403: 403 Forbidden\nERROR CODE: AuthorizationFailure\n" + line + "{\n  \"secret\": 1\n}\n" + line
	for text, want := range map[string]string{
		"list batches: " + dump + "; no role": "list batches: GET https://account.table.core.windows.net/Batches(): 403 AuthorizationFailure; no role",
		dump + "and\n" + dump: "GET https://account.table.core.windows.net/Batches(): 403 AuthorizationFailureand\n" +
			"GET https://account.table.core.windows.net/Batches(): 403 AuthorizationFailure",
		"no such day": "no such day",
	} {
		if got := page.Explain(errors.New(text)); got != want {
			t.Errorf("got %q\nwant %q", got, want)
		}
	}
	if got := page.Explain(fmt.Errorf("list rows: %w", context.DeadlineExceeded)); got != "storage did not answer in time: list rows: context deadline exceeded" {
		t.Errorf("%q", got)
	}
}
