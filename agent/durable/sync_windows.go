package durable

import (
	"errors"

	"golang.org/x/sys/windows"
)

// unsyncable: Windows refuses to sync a folder; its renames are in the journal.
func unsyncable(err error) bool {
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_INVALID_HANDLE)
}
