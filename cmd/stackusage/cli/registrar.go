package cli

import (
	"context"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// Registrar makes changes by the rules of the registration API. confirmed: they may
// reach closed days.
func (s *Storage) Registrar(confirmed bool) *registrar.Registrar {
	return &registrar.Registrar{Store: s.Registry(), Now: time.Now, Closed: func(ctx context.Context, cloudID string) ([]registration.ClosedDay, error) {
		return daybook.ClosedDays(ctx, s.Tables, cloudID)
	}, Grace: s.Settling, Confirmed: confirmed}
}

// RestatedText tells who confirmed a change what follows from it, and where to see it.
func RestatedText(confirmed bool) string {
	if !confirmed {
		return ""
	}
	return "Sweep has the affected closed usage days restated within about an hour. Watch: stackusage day list\n"
}
