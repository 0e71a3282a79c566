//go:build unix

package config

import "io/fs"

// tooOpen says whether more than the owner, and the group for reading, may use
// a file.
func tooOpen(mode fs.FileMode) bool { return mode.Perm()&0o037 != 0 }
