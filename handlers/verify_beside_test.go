package handlers_test

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/verify"
)

// withoutPartials is storage after lifecycle.
type withoutPartials struct {
	blobStore
	none error
}

func (r *rig) withoutPartials() withoutPartials {
	return withoutPartials{r.store.Blobs, r.store.noBlob}
}

func (n withoutPartials) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	if container == table.ContainerPartials {
		return nil, time.Time{}, n.none
	}
	return n.blobStore.Open(ctx, container, name)
}

// TestVerifyWithoutPartials: what lifecycle removes is not needed.
func TestVerifyWithoutPartials(t *testing.T) {
	t.Parallel()
	r := corrected(t)
	if report := r.auditWith(t, r.withoutPartials(), verify.Options{}); !report.Agrees() || report.Records == 0 {
		t.Errorf("%+v", report)
	}
}

// TestVerifyAndTheAppAtOnce: a step under way is no difference.
func TestVerifyAndTheAppAtOnce(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	done, looked := make(chan struct{}), make(chan int)
	go func() {
		looks := 0
		defer func() { looked <- looks }()
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, f := range r.audit(t).Differences {
				if !strings.Contains(f.What, "still open") && !strings.Contains(f.What, "nobody ingested") { // this clock jumps
					t.Errorf("look %d: %s", looks, f)
				}
			}
			looks++
		}
	}()
	rnd := rand.New(rand.NewPCG(1, 1))
	for n := range usage.Hour(8) {
		r.ingest(t, hour22+n, row(1, hour22-1, "1.5"), row(int(n), hour22+n, "2"), `{}`)
		if n%2 == 0 {
			r.untilNothingIsOpen(t, rnd)
			r.advance(48 * time.Hour)
		}
	}
	r.untilNothingIsOpen(t, rnd)
	close(done)
	if n := <-looked; n < 3 {
		t.Errorf("looked only %d times", n)
	}
}
