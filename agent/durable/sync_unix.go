//go:build !windows

package durable

import (
	"errors"

	"golang.org/x/sys/unix"
)

// unsyncable is true for what a file system that cannot sync folders answers.
func unsyncable(err error) bool { return errors.Is(err, unix.EINVAL) }
