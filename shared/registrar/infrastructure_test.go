package registrar_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/registration"
)

func TestInfrastructure(t *testing.T) {
	g, s := desk()
	put(t, g, good())
	on := func(day string) registration.Effective {
		t.Helper()
		held, err := s.histories[cloudID].On(day)
		ok(t, err)
		return held
	}
	part := func(day string) registration.Part {
		t.Helper()
		parts, err := s.histories[cloudID].Parts(day)
		ok(t, err)
		return parts[0]
	}
	t.Run("none is known at first, and none can be confirmed", func(t *testing.T) {
		if on("20191210").InfrastructureKnown {
			t.Error("known")
		}
		if _, err := g.ConfirmInfrastructure(t.Context(), "hamburg", "", "", registration.Note{}); rejectionOf(t, err).Code != "InfrastructureNotFound" {
			t.Error(err)
		}
	})
	t.Run("of two closers the second finds that another was first, and reads again", func(t *testing.T) {
		history, first := s.histories[cloudID], part("20200110")
		_, err := g.RecordInfrastructure(t.Context(), history, first, []string{provider}, registration.Note{})
		ok(t, err)
		s.clash = 1
		if _, err := g.RecordInfrastructure(t.Context(), history, first, []string{secondProvider}, registration.Note{}); !errors.Is(err, registration.ErrChanged) {
			t.Errorf("got %v", err)
		}
		again, err := g.RecordInfrastructure(t.Context(), s.histories[cloudID], part("20200110"), []string{secondProvider}, registration.Note{})
		ok(t, err)
		if again.Version != 2 || len(again.Infrastructure) != 1 {
			t.Errorf("%+v", again)
		}
	})
	t.Run("what a closer records holds from the registration's first day, and for the usage before it", func(t *testing.T) {
		for _, day := range []string{"20191209", "20191210", "20200301"} {
			held := on(day)
			if diff := cmp.Diff([]string{provider}, held.Infrastructure); diff != "" || !held.InfrastructureKnown || held.InfrastructureConfirmed || held.FirstDay != "20191210" {
				t.Errorf("%s: %+v", day, held)
			}
		}
	})
	hash := registration.ListHash([]string{secondProvider})
	t.Run("it is confirmed once, and against the lists of headers", func(t *testing.T) {
		_, err := g.ConfirmInfrastructure(t.Context(), "hamburg", "20200101", "", registration.Note{By: "olga", Reason: "looked"})
		ok(t, err)
		_, err = g.ConfirmInfrastructure(t.Context(), "hamburg", "20200101", "", registration.Note{By: "olga", Reason: "again"})
		ok(t, err)
		if held := on("20200101"); !held.InfrastructureConfirmed || len(held.InfrastructureAgainst) != 0 || s.histories[cloudID].Version != 3 {
			t.Errorf("%+v", held)
		}
		_, err = g.ConfirmInfrastructure(t.Context(), "hamburg", "20200101", hash, registration.Note{By: "olga", Reason: "the agent is wrong"})
		ok(t, err)
		held := on("20191210")
		if diff := cmp.Diff([]string{hash}, held.InfrastructureAgainst); diff != "" || !held.InfrastructureConfirmed {
			t.Errorf("%+v", held)
		}
	})
	t.Run("a change holds from its day on, and asking for what holds changes nothing", func(t *testing.T) {
		e := registration.InfrastructureEntry{EffectiveDay: "20200101", Subscriptions: []string{secondProvider, provider}, Note: registration.Note{By: "olga", Reason: "two"}}
		for range 2 {
			_, err := g.SetInfrastructure(t.Context(), "hamburg", e)
			ok(t, err)
		}
		before, after := on("20191231"), on("20200101")
		if len(before.Infrastructure) != 1 || len(after.Infrastructure) != 2 || !after.InfrastructureConfirmed || s.histories[cloudID].Version != 5 {
			t.Errorf("before %+v, after %+v", before, after)
		}
	})
	t.Run("what the registration was at an earlier change can be asked", func(t *testing.T) {
		history := s.histories[cloudID]
		for n, want := range map[int]int{1: 0, 2: 1, 4: 1, 5: 2, 99: 2} {
			held, err := history.At(n).On("20200101")
			if err != nil || len(held.Infrastructure) != want || history.At(n).Version != min(n, 5) {
				t.Errorf("after %d changes: %+v, %v", n, held, err)
			}
		}
	})
	t.Run("the provider subscriptions of activation keys are kept once", func(t *testing.T) {
		for _, id := range []string{secondProvider, strings.ToUpper(provider), provider} {
			_, err := g.RecordProvider(t.Context(), "hamburg", id, registration.Note{})
			ok(t, err)
		}
		history := s.histories[cloudID]
		if diff := cmp.Diff([]string{provider, secondProvider}, history.Providers); diff != "" || history.Version != 7 {
			t.Errorf("version %d (-want +got):\n%s", history.Version, diff)
		}
	})
}
