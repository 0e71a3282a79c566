package registrar_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

func TestAnEndToCome(t *testing.T) {
	start := func(t *testing.T) *registrar.Registrar {
		g, _ := desk()
		put(t, g, good())
		return g
	}
	end := time.Date(2020, 2, 1, 15, 0, 0, 0, time.UTC)
	ended := func(t *testing.T, g *registrar.Registrar) registration.History {
		t.Helper()
		history, err := g.End(t.Context(), "hamburg", end, registration.Note{Reason: "scrapped"}, registrar.Condition{})
		ok(t, err)
		return history
	}
	t.Run("is known before its day", func(t *testing.T) {
		history := ended(t, start(t))
		if got := history.End("20200115"); !got.Equal(end) {
			t.Errorf("ends at %s", got)
		}
	})
	t.Run("is taken back by registering without an end", func(t *testing.T) {
		g := start(t)
		ended(t, g)
		r := good()
		r.EffectiveDay, r.SubscriptionID = "20200115", buyer
		history := put(t, g, r)
		held, _ := history.On("20200201")
		if !history.Expects(end) || !history.End("20200115").IsZero() || held.SubscriptionID != buyer {
			t.Errorf("%+v", history.Registrations)
		}
	})
	t.Run("stays with a change that names it, which holds for the last day too", func(t *testing.T) {
		g := start(t)
		was := ended(t, g)
		r := good()
		r.EffectiveDay, r.End = "20200115", end
		if history := put(t, g, r); history.Version != was.Version {
			t.Errorf("what was read is sent back, and changes %+v", history.Registrations)
		}
		r.SubscriptionID = buyer
		history := put(t, g, r)
		held, _ := history.On("20200201")
		if history.Expects(end) || !history.Expects(end.Add(-time.Hour)) || held.SubscriptionID != buyer {
			t.Errorf("%+v", history.Registrations)
		}
	})
	t.Run("a change to come stands again when it is taken back", func(t *testing.T) {
		g := start(t)
		r := good()
		r.EffectiveDay, r.SubscriptionID = "20200301", buyer
		put(t, g, r)
		ended(t, g)
		r = good()
		r.EffectiveDay = "20200116"
		history := put(t, g, r)
		for day, want := range map[string]string{"20200202": payer, "20200301": buyer} {
			if held, _ := history.On(day); held.SubscriptionID != want || !held.End.IsZero() {
				t.Errorf("%s: %+v", day, held)
			}
		}
	})
	t.Run("one that was taken back holds no later change back", func(t *testing.T) {
		g := start(t)
		r := good()
		r.EffectiveDay = "20200115"
		for range 2 {
			ended(t, g)
			put(t, g, r)
		}
		r.EffectiveDay, r.SubscriptionID = "20200116", buyer
		history := put(t, g, r)
		for _, day := range []string{"20200116", "20200201", "20200301"} {
			if held, _ := history.On(day); held.SubscriptionID != buyer || !held.End.IsZero() {
				t.Errorf("%s: %+v", day, held)
			}
		}
	})
	t.Run("an entry of before the first leaves that one", func(t *testing.T) {
		g := start(t)
		r := good()
		r.EffectiveDay, r.SubscriptionID, r.Start = "20191201", buyer, r.Start.AddDate(0, 0, -9)
		history := put(t, g, r)
		for day, want := range map[string]string{"20191205": buyer, "20191211": payer} {
			if held, _ := history.On(day); held.SubscriptionID != want {
				t.Errorf("%s: %+v", day, held)
			}
		}
	})
}

// TestAnyChangesAndEnds registers and ends at random: what a registration without
// an end says holds from its day on, whatever end was said of a later day before.
func TestAnyChangesAndEnds(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		g, _ := desk()
		put(t, g, good())
		from, log := 1, ""
		for range 8 {
			if rnd.IntN(2) == 0 {
				end := time.Date(2020, 1, 1+rnd.IntN(60), rnd.IntN(24), 0, 0, 0, time.UTC)
				_, err := g.End(t.Context(), "hamburg", end, registration.Note{}, registrar.Condition{})
				ok(t, err)
				log += fmt.Sprintf("end %s; ", end)
				continue
			}
			from += rnd.IntN(2)
			r := good()
			r.EffectiveDay, r.Start = fmt.Sprintf("202001%02d", from), time.Time{}
			r.SubscriptionID = []string{payer, buyer}[rnd.IntN(2)]
			log += fmt.Sprintf("put %s %s; ", r.EffectiveDay, r.SubscriptionID)
			history := put(t, g, r)
			for _, day := range []string{r.EffectiveDay, "20200120", "20200210", "20200301", "20200401"} {
				if held, _ := history.On(day); held.SubscriptionID != r.SubscriptionID || !held.End.IsZero() {
					t.Fatalf("seed %d: %s%s: %+v", seed, log, day, held)
				}
			}
		}
	}
}
