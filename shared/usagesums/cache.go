// Package usagesums keeps the sums of closed usage days on disk. The sums of a revision
// never change, so each day is read once.
package usagesums

import (
	"fmt"
	"os"
	"path/filepath"
)

// Env is the variable that names the folder of the cache; the default is
// stackusage/usage-sums in the user's folder of caches.
const Env = "STACKUSAGE_CACHE"

// Cache is a folder of day sums, which may be deleted at any time. It is safe for
// concurrent use, also by several processes.
type Cache struct{ dir string }

// Open makes the folder that Env names, or the default one. Without it reports work too:
// a caller that gets an error says so once, and goes on without a cache.
func Open(getenv func(string) string) (*Cache, error) {
	dir := getenv(Env)
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("open cache of usage sums: %w", err)
		}
		dir = filepath.Join(caches, "stackusage", "usage-sums")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open cache of usage sums: %w", err)
	}
	return &Cache{dir}, nil
}
