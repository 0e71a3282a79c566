//go:build unix

package config

import "io/fs"

// tooOpen says whether more than the owner, and the group for reading, may use
// a file.
func tooOpen(mode fs.FileMode) bool { return mode.Perm()&0o037 != 0 }

// writable says whether others than the owner and its group may change a file.
func writable(mode fs.FileMode) bool { return mode.Perm()&0o002 != 0 }
