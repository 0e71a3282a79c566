package azurite

import (
	"context"
	"path/filepath"

	"stackusage/internal/npm"
)

// Install makes sure that the pinned Azurite is in test/azurite and returns
// its main script.
func Install(ctx context.Context) (script string, err error) {
	dir, err := npm.Install(ctx, "test/azurite")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "node_modules", "azurite", "dist", "src", "azurite.js"), nil
}
