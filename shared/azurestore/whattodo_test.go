package azurestore

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// TestWhatToDo: what storage refuses, and what does not answer, is told with a way out.
func TestWhatToDo(t *testing.T) {
	answer := func(status int, code string) error {
		return fmt.Errorf("read: %w", &azcore.ResponseError{StatusCode: status, ErrorCode: code})
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a role is missing":   {answer(http.StatusForbidden, "AuthorizationPermissionMismatch"), "Storage Table"},
		"a network rule":      {answer(http.StatusForbidden, "AuthorizationFailure"), "network rules"},
		"a wrong key":         {answer(http.StatusForbidden, "AuthenticationFailed"), "does not take this sign-in"},
		"nothing listens":     {fmt.Errorf("get: %w", &net.OpError{Op: "dial", Err: errors.New("connection refused")}), "nothing answers"},
		"a broken connection": {fmt.Errorf("get: %w", &net.OpError{Op: "read", Err: errors.New("reset")}), ""},
		"a missing table":     {answer(http.StatusNotFound, "TableNotFound"), ""},
		"no error":            {nil, ""},
	} {
		if got := WhatToDo(c.err); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
