package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// payersModel says again, in the plainest way, who pays for what: it keeps what
// was said and what landed, and works out the rest from the beginning each time.
type payersModel struct {
	landed  []landedUsage
	mapped  []registration.Mapping // in the order in which it was said
	csp, on bool
	paid    map[string]string // when reporting was on last
}

// landedUsage is a reported hour: whom its header names, and 1, 2, 4... of usage.
type landedUsage struct {
	hour    usage.Hour
	tenants map[string]string
	rows    map[string]string // stack subscription -> quantity
}

// owed is what each Azure subscription owes for the day.
func (m *payersModel) owed() map[string]string {
	if !m.on {
		return m.paid // what was accepted stays
	}
	slices.SortFunc(m.landed, func(a, b landedUsage) int { return int(a.hour - b.hour) })
	tenantOf, payerOf := map[string]string{}, m.holds("20191210")
	for _, l := range m.landed {
		for sub, tenant := range l.tenants {
			tenantOf[sub] = tenant
		}
	}
	sums := model{}
	for _, l := range m.landed {
		for sub, quantity := range l.rows {
			pays := payer
			if azure := payerOf[tenantOf[sub]]; m.csp && sub != operators && azure != "" {
				pays = azure
			}
			sums.add(pays, "2019-12-10", quantity)
		}
	}
	return sums.text()
}

// holds is who is mapped to what on a day: the latest day that something was said
// of, and of what was said of one day the last.
func (m *payersModel) holds(on string) map[string]string {
	payerOf := map[string]string{}
	for _, day := range someDays {
		for _, said := range m.mapped {
			if said.EffectiveDay == day && day <= on {
				payerOf[said.TenantID] = said.SubscriptionID
			}
		}
	}
	return payerOf
}

// say adds what is not so already.
func (m *payersModel) say(said registration.Mapping) {
	if m.holds(said.EffectiveDay)[said.TenantID] != said.SubscriptionID {
		m.mapped = append(m.mapped, said)
	}
}

// TestAnyTenantsAndReporting changes tenants, mappings, the kind of the charged
// subscription and reporting at random, lands late hours between, and after each
// step compares what commerce was told with the model.
func TestAnyTenantsAndReporting(t *testing.T) {
	t.Parallel()
	for seed := range uint64(soak(3, 40)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			r := newRig(t)
			b, m := newBilling(t, r), &payersModel{csp: true, on: true}
			r.registerAs(t, func(*registration.Registration) {})
			for _, h := range allDay {
				r.landAtRandom(t, m, rnd, h)
			}
			r.settle(t, rnd)
			m.paid = m.owed()
			for step := range 10 {
				did := r.changeAtRandom(t, m, rnd, hour00+1+usage.Hour(step))
				did = fmt.Sprintf("step %d, %s", step, did)
				_, err := r.Ledger.AskRestate(t.Context(), cloudID, theDay, because(did))
				ok(t, err)
				r.settle(t, rnd)
				m.paid = m.owed()
				got := paid(t, b)
				for who := range got { // whom a reversal left with nothing owes nothing
					if _, owes := m.paid[who]; !owes && got[who] == "0" {
						delete(got, who)
					}
				}
				check(t, did+": charged", m.paid, got)
				if t.Failed() {
					return
				}
			}
			checkChains(t, b.records(t))
			r.verified(t)
		})
	}
}

var (
	someTenants = []string{contoso, fabrikam, "6a3c1d2e-796f-4d03-9908-044c08aef8a2"}
	someStack   = []string{subscription, deleted, operators, "33333333-cfe9-4fcf-b90c-87f2af292fc9"}
	someDays    = []string{"20191209", "20191210", "20191211"}
	someAzure   = []string{contosoPays, "77777777-29a7-4eba-a6d4-76202383f07f", "88888888-29a7-4eba-a6d4-76202383f07f"}
)

func oneOf[T any](rnd *rand.Rand, all []T) T { return all[rnd.IntN(len(all))] }

func (r *rig) landAtRandom(t *testing.T, m *payersModel, rnd *rand.Rand, h usage.Hour) {
	t.Helper()
	l := landedUsage{hour: h, tenants: map[string]string{}, rows: map[string]string{}}
	var rows []string
	for i, sub := range someStack {
		if rnd.IntN(2) == 0 {
			l.tenants[sub] = oneOf(rnd, someTenants)
		}
		if rnd.IntN(4) > 0 {
			l.rows[sub] = fmt.Sprintf("%d.%02d", rnd.IntN(9), 1+rnd.IntN(99))
			rows = append(rows, of(sub, row(i, hour22-1-usage.Hour(rnd.IntN(3)), l.rows[sub])))
		}
	}
	m.landed = append(m.landed, l)
	r.tenantHour(t, h, l.tenants, rows...)
}

// changeAtRandom does one thing and says what.
func (r *rig) changeAtRandom(t *testing.T, m *payersModel, rnd *rand.Rand, next usage.Hour) string {
	t.Helper()
	switch rnd.IntN(4) {
	case 0:
		r.landAtRandom(t, m, rnd, next)
		return "a late hour landed"
	case 1:
		m.csp = true
		m.on = true
		r.registerAs(t, func(*registration.Registration) {})
		return "registered under CSP"
	case 2:
		m.csp, m.on = false, rnd.IntN(2) == 0
		r.registerAs(t, func(reg *registration.Registration) {
			reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff = registration.EA, registration.Capacity, !m.on
		})
		return fmt.Sprintf("registered under Capacity, reporting %t", m.on)
	}
	// An Azure subscription is of one tenant, so each tenant has its own.
	i := rnd.IntN(len(someTenants))
	said := registration.Mapping{TenantID: someTenants[i], SubscriptionID: someAzure[i], EffectiveDay: oneOf(rnd, someDays)}
	if !m.csp {
		return "nothing: tenants are mapped under CSP only"
	}
	if rnd.IntN(3) == 0 && m.holds(said.EffectiveDay)[said.TenantID] != "" {
		_, err := r.registrar().Unmap(t.Context(), "hamburg", said.SubscriptionID, said.EffectiveDay, registration.Note{})
		ok(t, err)
		for _, day := range someDays { // what was to begin later never does
			if day >= said.EffectiveDay {
				m.say(registration.Mapping{TenantID: said.TenantID, EffectiveDay: day})
			}
		}
		return "a customer goes on " + said.EffectiveDay
	}
	r.mapTenant(t, said.TenantID, said.SubscriptionID, said.EffectiveDay)
	m.say(said)
	return "a customer comes on " + said.EffectiveDay
}
