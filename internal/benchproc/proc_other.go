//go:build !linux

package benchproc

import "errors"

// Processors are chosen, and memory and files of a process looked at, on Linux alone.

func peak() (int64, error) { return 0, nil }

func pin() (back func() error, err error) {
	return nil, errors.New("keep a process on one processor: only on Linux")
}

func watch(int, string) (most func() int64) { return func() int64 { return 0 } }
