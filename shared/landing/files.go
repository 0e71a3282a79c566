package landing

import (
	"context"
	"io"
	"strings"
	"time"

	"stackusage/shared/content"
)

// Files opens hour blobs wherever they are: what the stacks dropped in the landing
// storage, and corrected ones in the app's.
type Files struct{ Landed, Corrected content.Opener }

// Open implements content.Opener.
func (f Files) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if strings.HasPrefix(container, Container("")) {
		return f.Landed.Open(ctx, container, name)
	}
	return f.Corrected.Open(ctx, container, name)
}
