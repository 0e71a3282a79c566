package landing

import (
	"context"
	"strings"

	"stackusage/shared/usage"
)

// Stacks lists the cloudIds of the landing containers. foreign is called for a
// container that has their prefix and no cloudId.
func Stacks(ctx context.Context, lister interface {
	Containers(ctx context.Context, prefix string) ([]string, error)
}, foreign func(container string)) (cloudIDs []string, err error) {
	containers, err := lister.Containers(ctx, Container(""))
	for _, container := range containers {
		cloudID := strings.TrimPrefix(container, Container(""))
		if usage.CheckGUID(cloudID) != nil || usage.DashedGUID(cloudID) != cloudID {
			foreign(container)
			continue
		}
		cloudIDs = append(cloudIDs, cloudID)
	}
	return cloudIDs, err
}
