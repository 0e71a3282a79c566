package cli

import (
	"context"
	"regexp"
	"strings"

	"stackusage/shared/azurestore"
)

// named is an error whose text has names of stacks.
type named struct {
	error
	text string
}

func (n named) Error() string { return n.text }
func (n named) Unwrap() error { return n.error }

// stackID is a cloudId as a word of its own: not in the name of a blob or the key of a row,
// and not where an error says that it is one.
var stackID = regexp.MustCompile(`(cloudId |[-_/."=]?)\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b[-_/."=]?`)

// Named is an error that names stacks as tables do: by their registrations. Without storage
// to read them from, it stays as it is.
func (e *Env) Named(ctx context.Context, err error) error {
	if err == nil || !stackID.MatchString(err.Error()) || azurestore.WhatToDo(err) != "" {
		return err
	}
	storage, noStorage := e.Storage()
	if noStorage != nil {
		return err
	}
	text := stackID.ReplaceAllStringFunc(err.Error(), func(word string) string {
		if id, ok := parseGUID(strings.TrimSpace(word)); ok && len(word) == len(id) {
			return storage.Name(ctx, id)
		}
		return word
	})
	return named{err, text}
}
