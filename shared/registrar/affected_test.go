package registrar_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// closed are days that were closed by a version of the registration.
func closed(version int, days ...string) func(context.Context, string) ([]registration.ClosedDay, error) {
	return func(context.Context, string) (all []registration.ClosedDay, err error) {
		for _, day := range days {
			at, err := time.Parse("20060102", day)
			if err != nil {
				return nil, err
			}
			all = append(all, registration.ClosedDay{Day: day, Change: version, Hours: []time.Time{at.Add(5 * time.Hour), at.Add(29 * time.Hour)}})
		}
		return all, nil
	}
}

func TestAffectedDays(t *testing.T) {
	on := true
	for _, c := range []struct {
		name   string
		change func(ctx context.Context, g *registrar.Registrar) error
		want   string // the days, as they are listed; empty: no confirmation is needed
	}{
		{"another billing subscription", func(ctx context.Context, g *registrar.Registrar) error {
			r := csp()
			r.EffectiveDay, r.SubscriptionID = "20191220", buyer
			_, _, err := g.Put(ctx, registrar.Change{Registration: r})
			return err
		}, "3 closed usage days: 2019-12-20 to 2019-12-21, 2020-01-10;"},
		{"another billing model", func(ctx context.Context, g *registrar.Registrar) error {
			r := csp()
			r.EffectiveDay, r.BillingModel = "20191221", registration.Capacity
			_, _, err := g.Put(ctx, registrar.Change{Registration: r, Reporting: &on})
			return err
		}, "2 closed usage days: 2019-12-21, 2020-01-10;"},
		{"another kind of subscription that nobody is mapped under", func(ctx context.Context, g *registrar.Registrar) error {
			r := good()
			r.EffectiveDay = "20191221"
			_, _, err := g.Put(ctx, registrar.Change{Registration: r})
			return err
		}, ""},
		{"region", func(ctx context.Context, g *registrar.Registrar) error {
			r := csp()
			r.Region = "elsewhere"
			_, _, err := g.Put(ctx, registrar.Change{Registration: r})
			return err
		}, ""},
		{"a mapping that ends before a later one", func(ctx context.Context, g *registrar.Registrar) error {
			return mapped(tenant, buyer)(ctx, g)
		}, ""}, // from today on
		{"a backdated mapping", func(ctx context.Context, g *registrar.Registrar) error {
			_, _, err := g.Map(ctx, "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: buyer, EffectiveDay: "20200110"})
			return err
		}, "1 closed usage days: 2020-01-10;"},
		{"infrastructure", infrastructure(registration.InfrastructureEntry{Subscriptions: []string{provider}, EffectiveDay: "20191201"}),
			"4 closed usage days: 2019-12-11, 2019-12-20 to 2019-12-21, 2020-01-10;"},
		{"an end after the last closed hour", func(ctx context.Context, g *registrar.Registrar) error {
			_, err := g.End(ctx, "hamburg", at("2020-01-11T06:00:00Z"), registration.Note{}, registrar.Condition{})
			return err
		}, ""},
		{"an end that the last hours of a day lie after", func(ctx context.Context, g *registrar.Registrar) error {
			_, err := g.End(ctx, "hamburg", at("2020-01-10T23:00:00Z"), registration.Note{}, registrar.Condition{})
			return err
		}, "1 closed usage days: 2020-01-10;"},
		{"a later start", func(ctx context.Context, g *registrar.Registrar) error {
			r := csp()
			r.Start = at("2019-12-15T00:00:00Z")
			_, _, err := g.Put(ctx, registrar.Change{Registration: r})
			return err
		}, "1 closed usage days: 2019-12-11;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, s := desk()
			put(t, g, csp())
			g.Closed, g.Grace = closed(1, "20200110", "20191220", "20191221", "20191211"), 3*time.Hour
			err := c.change(t.Context(), g)
			if c.want == "" {
				ok(t, err)
				return
			}
			if rejection := rejectionOf(t, err); rejection.Code != "ClosedDaysAffected" || rejection.Kind != registration.Clash || !strings.Contains(rejection.Message, c.want) || s.histories[cloudID].Version != 1 {
				t.Fatalf("%v, version %d; want %s", rejection, s.histories[cloudID].Version, c.want)
			}
			g.Confirmed = true
			ok(t, c.change(t.Context(), g))
			if s.histories[cloudID].Version != 2 {
				t.Error("not recorded")
			}
		})
	}
}

// TestWhatADayWasSettledBy decides, not what was recorded last.
func TestWhatADayWasSettledBy(t *testing.T) {
	g, s := desk()
	put(t, g, good())
	moved := good()
	moved.SubscriptionID, moved.Note = buyer, registration.Note{By: "olga", Reason: "the contract moved"}
	put(t, g, moved)
	put(t, g, func() reg { r := moved; r.Region = "elsewhere"; return r }())
	history := s.histories[cloudID]
	for since, want := range map[int]bool{1: true, 2: false, 3: false} {
		if got := history.Affected("20191211", since); got != want {
			t.Errorf("settled by change %d: affected is %t", since, got)
		}
	}
	if why := history.Cause("20191211", 1); why.By != "olga" || why.Change != 2 || why.Reason != "the contract moved" {
		t.Errorf("%+v", why)
	}
	if !history.Changed().Equal(now) {
		t.Error(history.Changed())
	}
	t.Run("a change back to it needs no confirmation, and one of a day that nothing settled goes by what holds", func(t *testing.T) {
		g.Closed = closed(1, "20191211")
		put(t, g, good())
		g.Closed = closed(-1, "20191211")
		if _, _, err := g.Put(t.Context(), registrar.Change{Registration: moved}); rejectionOf(t, err).Code != "ClosedDaysAffected" {
			t.Error(err)
		}
	})
	t.Run("days that cannot be listed are an error, and nothing is recorded", func(t *testing.T) {
		was := s.histories[cloudID].Version
		g.Closed = func(context.Context, string) ([]registration.ClosedDay, error) { return nil, context.DeadlineExceeded }
		if _, _, err := g.Put(t.Context(), registrar.Change{Registration: moved}); err == nil || s.histories[cloudID].Version != was {
			t.Error(err)
		}
	})
}

// TestReportingOfAPart: a day that another part of was reported is affected when
// reporting of one is switched, a day of one registration is not.
func TestReportingOfAPart(t *testing.T) {
	g, s := desk()
	put(t, g, good())
	_, err := g.End(t.Context(), "hamburg", at("2020-01-15T10:00:00Z"), registration.Note{}, registrar.Condition{})
	ok(t, err)
	r := good()
	r.Name, r.EffectiveDay, r.Start, r.BillingModel = "bremen", "20200115", at("2020-01-15T12:00:00Z"), registration.Capacity
	put(t, g, r) // reports nothing
	was, on := s.histories[cloudID].Version, true
	_, _, err = g.Put(t.Context(), registrar.Change{Registration: r, Reporting: &on})
	ok(t, err)
	for day, want := range map[string]bool{"20200114": false, "20200115": true, "20200116": false} {
		if got := s.histories[cloudID].Affected(day, was); got != want {
			t.Errorf("%s: affected is %t", day, got)
		}
	}
}

// TestOutsideHasEveryHourThatIsNotAccepted for registrations that end and begin
// again at any hour.
func TestOutsideHasEveryHourThatIsNotAccepted(t *testing.T) {
	begin := at("2020-01-01T00:00:00Z")
	for first := range 30 {
		g, s := desk()
		r := good()
		r.EffectiveDay, r.Start = "20200102", begin.Add(time.Duration(24+first)*time.Hour)
		put(t, g, r)
		_, err := g.End(t.Context(), "hamburg", r.Start.Add(7*time.Hour), registration.Note{}, registrar.Condition{})
		ok(t, err)
		r.Name, r.Start = "bremen", r.Start.Add(time.Duration(7+first)*time.Hour)
		r.EffectiveDay = r.Start.Format("20060102")
		put(t, g, r)
		_, err = g.End(t.Context(), "bremen", r.Start.Add(20*time.Hour), registration.Note{}, registrar.Condition{})
		ok(t, err)
		history := s.histories[cloudID]
		for h := range 24 * 10 {
			hour := begin.Add(time.Duration(h) * time.Hour)
			listed := false
			for _, r := range history.Outside() {
				day := hour.Format("20060102")
				listed = listed || r[0] <= day && (r[1] == "" || day <= r[1])
			}
			if !history.Accepts(hour, time.Hour) && !listed {
				t.Fatalf("start %d: hour %s is not accepted, and its day is not in %v", first, hour, history.Outside())
			}
		}
	}
}
