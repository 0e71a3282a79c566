package registrar_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// shelf is a Store in memory, for rules alone; what Azure Tables does with the
// same calls is tested where they are.
type shelf struct {
	histories map[string]registration.History
	names     map[string]string
	clash     int // how many appends find another one was first
}

func (s *shelf) History(_ context.Context, cloudID string) (registration.History, error) {
	b := s.histories[cloudID]
	b.CloudID = cloudID
	return b, nil
}

func (s *shelf) Histories(context.Context) (all []registration.History, err error) {
	for _, b := range s.histories {
		all = append(all, b)
	}
	return all, nil
}

func (s *shelf) Holder(_ context.Context, name string) (string, error) {
	return s.names[strings.ToLower(name)], nil
}

func (s *shelf) Append(_ context.Context, b registration.History, added registration.Added) error {
	if s.clash > 0 {
		s.clash--
		return registration.ErrChanged
	}
	have := s.histories[b.CloudID]
	have.CloudID, have.Version = b.CloudID, b.Version+1
	for _, r := range added.Registrations {
		s.names[strings.ToLower(r.Name)] = b.CloudID
		have.Registrations = append(have.Registrations, r)
	}
	have.Tenants = append(have.Tenants, added.Tenants...)
	have.Infrastructure = append(have.Infrastructure, added.Infrastructure...)
	for _, p := range added.Providers {
		have.Providers = append(have.Providers, p.Subscription)
	}
	have.Sort()
	s.histories[b.CloudID] = have
	return nil
}

var now = time.Date(2020, 1, 15, 13, 30, 0, 0, time.UTC)

func desk() (*registrar.Registrar, *shelf) {
	s := &shelf{histories: map[string]registration.History{}, names: map[string]string{}}
	return &registrar.Registrar{Store: s, Now: func() time.Time { return now }}, s
}

func put(t *testing.T, g *registrar.Registrar, r reg) registration.History {
	t.Helper()
	history, _, err := g.Put(t.Context(), registrar.Change{Registration: r})
	ok(t, err)
	return history
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

func TestPut(t *testing.T) {
	t.Run("the same again changes nothing, and a change keeps what was", func(t *testing.T) {
		g, _ := desk()
		put(t, g, good())
		history := put(t, g, good())
		if history.Version != 1 || len(history.Registrations) != 1 {
			t.Errorf("%+v", history)
		}
		r := good()
		r.SubscriptionID, r.EffectiveDay = buyer, "20200101"
		history = put(t, g, r)
		before, _ := history.On("20191231")
		after, _ := history.On("20200101")
		if before.SubscriptionID != payer || after.SubscriptionID != buyer || history.Version != 2 {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
	t.Run("what is left out is today, this hour, and as the model reports", func(t *testing.T) {
		g, _ := desk()
		r := good()
		r.EffectiveDay, r.Start, r.BillingModel = "", time.Time{}, registration.Capacity
		history := put(t, g, r)
		held, _ := history.On("20200115")
		if held.EffectiveDay != "20200115" || !held.Start.Equal(now.Truncate(time.Hour)) || !held.ReportingOff {
			t.Errorf("%+v", held)
		}
		r.EffectiveDay = "20200201" // the start is not asked for, and stays
		history = put(t, g, r)
		if len(history.Registrations) != 1 {
			t.Errorf("%+v", history.Registrations)
		}
	})
	t.Run("conditions", func(t *testing.T) {
		g, _ := desk()
		zero, one := 0, 1
		for _, c := range []struct {
			name  string
			match registrar.Condition
			want  string
		}{
			{"there is none to change", registrar.Condition{Exists: true}, "there is no registration"},
			{"a new one", registrar.Condition{New: true}, ""},
			{"a new one, again", registrar.Condition{New: true}, "already"},
			{"another version", registrar.Condition{Version: &zero}, "has changed"},
			{"this version", registrar.Condition{Version: &one}, ""},
		} {
			_, _, err := g.Put(t.Context(), registrar.Change{Registration: good(), Match: c.match})
			if c.want == "" && err != nil || c.want != "" && !strings.Contains(rejectionOf(t, err).Message, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
	t.Run("another change that was first is looked at again", func(t *testing.T) {
		g, s := desk()
		s.clash = 2
		if history := put(t, g, good()); history.Version != 1 {
			t.Errorf("%+v", history)
		}
		s.clash = 100
		r := good()
		r.Region = "elsewhere"
		if _, _, err := g.Put(t.Context(), registrar.Change{Registration: r}); !errors.Is(err, registration.ErrChanged) {
			t.Errorf("got %v", err)
		}
	})
}

func TestEnd(t *testing.T) {
	g, _ := desk()
	put(t, g, good())
	later := good()
	later.EffectiveDay, later.Region = "20200301", "elsewhere"
	put(t, g, later)
	end := time.Date(2020, 2, 1, 15, 0, 0, 0, time.UTC)
	history, err := g.End(t.Context(), "Hamburg", end, registration.Note{By: "olga", Reason: "scrapped"}, registrar.Condition{})
	ok(t, err)
	t.Run("no hour is expected from the end on, and changes that were to come do not begin it anew", func(t *testing.T) {
		for at, want := range map[time.Time]bool{end.Add(-time.Hour): true, end: false, end.AddDate(0, 0, 1): false, end.AddDate(0, 3, 0): false} {
			if got := history.Expects(at); got != want {
				t.Errorf("%s: expected is %t", at, got)
			}
		}
	})
	t.Run("the rows of the last hours are taken for a while", func(t *testing.T) {
		for _, c := range []struct {
			at   time.Time
			want bool
		}{{end.Add(5 * time.Hour), false}, {end.Add(6 * time.Hour), true}, {end.AddDate(0, 2, 0), true}} {
			if got := !history.Accepts(c.at, 6*time.Hour); got != c.want {
				t.Errorf("%s: ended is %t", c.at, got)
			}
		}
	})
	t.Run("a second time changes nothing", func(t *testing.T) {
		again, err := g.End(t.Context(), "hamburg", end.Add(time.Hour), registration.Note{}, registrar.Condition{})
		if err != nil || again.Version != history.Version+1 && again.Version != history.Version {
			t.Errorf("%+v, %v", again, err)
		}
	})
	t.Run("after it the cloudId may be registered by another name", func(t *testing.T) {
		r := good()
		r.Name, r.EffectiveDay, r.Start = "bremen", "20200301", time.Time{}
		history := put(t, g, r)
		if _, err := g.Named(t.Context(), "hamburg"); rejectionOf(t, err).Code != "RegistrationNotFound" {
			t.Errorf("the old name: %v", err)
		}
		begins := time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC)
		if history.Expects(begins.Add(-time.Hour)) || !history.Expects(begins) {
			t.Errorf("%+v", history.Registrations)
		}
	})
	t.Run("one that is not there", func(t *testing.T) {
		if _, err := g.End(t.Context(), "kiel", end, registration.Note{}, registrar.Condition{}); rejectionOf(t, err).Kind != registration.NotFound {
			t.Error(err)
		}
	})
}
