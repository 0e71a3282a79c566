//go:build !unix

package config

import "io/fs"

// tooOpen knows nothing of access lists, by which Windows guards files.
func tooOpen(fs.FileMode) bool { return false }

// writable knows as little.
func writable(fs.FileMode) bool { return false }
