package registration_test

import (
	"testing"
	"time"

	"stackusage/internal/memstore"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

// desk is a registrar with histories in tables.
func desk() (*registrar.Registrar, registry.Registry) {
	s := registry.Registry{Tables: memstore.NewTables(table.Registrations)}
	return &registrar.Registrar{Store: s, Now: func() time.Time { return time.Date(2020, 1, 15, 13, 30, 0, 0, time.UTC) }}, s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func csp() reg {
	r := good()
	r.SubscriptionKind = registration.CSP
	return r
}
