package handlers_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// payersModel says again, in the plainest way, who pays for what: it keeps what
// was said and what landed, and works out the rest from the beginning each time.
type payersModel struct {
	landed  []*landedUsage
	mapped  []registration.Mapping // in the order in which it was said
	csp, on bool
	paid    map[string]string // when reporting was on last

	revisions int
	wasOff    bool                      // the last revision
	settled   map[string]settledPayer   // by stack subscription; nil: nothing is settled
	azure     map[string]string         // tenant -> Azure subscription, as settled
	charges   map[string]string         // what the registration said when it was settled
	differs   map[string]map[string]int // what later hours said: subscription -> tenant
}

// landedUsage is a reported hour: whom its header names, and 1, 2, 4... of usage.
type landedUsage struct {
	hour    usage.Hour
	said    time.Time // when the map was read
	vague   bool      // an older map without a time
	tenants map[string]string
	rows    map[string]string // stack subscription -> quantity
	looked  int               // the revision that looked at the map first
}

type settledPayer struct {
	tenant   string
	revision int
}

// says is what the registration says that decides who pays.
func (m *payersModel) says() map[string]string {
	if !m.csp {
		return map[string]string{"model": "Capacity"}
	}
	says := map[string]string{"model": "PayAsYouUse"}
	for tenant, subscription := range m.holds("20191210") {
		if subscription != "" {
			says[tenant] = subscription
		}
	}
	return says
}

// sweep makes the revisions that Sweep asks for.
func (m *payersModel) sweep() {
	if m.wasOff && m.on {
		m.close("")
	}
	if !m.wasOff && !maps.Equal(m.charges, m.says()) {
		m.close(openday.SettleRegistration)
	}
}

// close makes the next revision, which settles so much anew.
func (m *payersModel) close(anew string) {
	m.revisions++
	if m.wasOff = !m.on; m.wasOff {
		return // what was accepted stays
	}
	if m.settled == nil || anew != "" {
		m.azure, m.charges = map[string]string{}, m.says()
		if m.csp {
			m.azure = m.holds("20191210")
		}
	}
	if m.settled == nil || anew == openday.SettleAll {
		m.settled = map[string]settledPayer{}
		for _, l := range m.landed {
			l.looked = 0
		}
	}
	for _, l := range m.landed {
		if l.looked == 0 {
			l.looked = m.revisions
		}
	}
	sums := model{}
	for _, l := range m.landed {
		for sub, quantity := range l.rows {
			if _, is := m.settled[sub]; !is {
				m.settled[sub] = settledPayer{m.nearest(sub), m.revisions}
			}
			pays := payer
			if azure := m.azure[m.settled[sub].tenant]; sub != operators && azure != "" {
				pays = azure
			}
			sums.add(pays, "2019-12-10", quantity)
		}
	}
	m.paid = sums.text()
	m.differs = map[string]map[string]int{}
	for _, l := range m.landed {
		for sub, tenant := range l.tenants {
			is, known := m.settled[sub]
			if known && sub != operators && l.looked > is.revision && tenant != is.tenant {
				if m.differs[sub] == nil {
					m.differs[sub] = map[string]int{}
				}
				m.differs[sub][tenant]++
			}
		}
	}
}

// nearest is the tenant that the stack named nearest to the end of the day.
func (m *payersModel) nearest(sub string) string {
	var named []*landedUsage
	for _, l := range m.landed {
		if l.tenants[sub] != "" {
			named = append(named, l)
		}
	}
	if len(named) == 0 {
		return ""
	}
	end := time.Date(2019, 12, 11, 0, 0, 0, 0, time.UTC)
	return slices.MinFunc(named, func(a, b *landedUsage) int {
		if a.vague != b.vague {
			if a.vague {
				return 1
			}
			return -1
		}
		far := func(l *landedUsage) float64 { return max(l.said.Sub(end).Seconds(), end.Sub(l.said).Seconds()) }
		return cmp.Or(cmp.Compare(far(a), far(b)), a.said.Compare(b.said), int(a.hour-b.hour))
	}).tenants[sub]
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
// subscription and reporting at random, lands late hours between, of which the
// maps are of any age, has the day restated or not, and after each step, in which
// Sweep has the day restated by what was recorded, compares what commerce was told,
// and what is found, with the model.
func TestAnyTenantsAndReporting(t *testing.T) {
	t.Parallel()
	for seed := range uint64(soak(2, 40)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 7))
			r := newRig(t)
			b, m := newBilling(t, r), &payersModel{csp: true, on: true}
			r.registerAs(t, func(*registration.Registration) {})
			for _, h := range allDay {
				r.landAtRandom(t, m, rnd, h)
			}
			r.untilNothingIsOpen(t, rnd)
			m.close("")
			for step := range 12 {
				landed := len(m.landed)
				did := r.changeAtRandom(t, m, rnd, hour00+1+usage.Hour(step))
				asked := rnd.IntN(2) == 0
				did = fmt.Sprintf("step %d, %s, restated: %t", step, did, asked)
				if asked {
					_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because(did))
					ok(t, err)
				}
				r.untilNothingIsOpen(t, rnd)
				if asked {
					m.close(openday.SettleAll)
				} else if len(m.landed) > landed {
					m.close("")
				}
				r.sweep(t) // asks for a day that was closed with reporting off and has it on now, or by another registration
				r.untilNothingIsOpen(t, rnd)
				r.sweep(t)
				r.untilNothingIsOpen(t, rnd)
				m.sweep()
				got := paid(t, b)
				for who := range got { // whom a reversal left with nothing owes nothing
					if _, owes := m.paid[who]; !owes && got[who] == "0" {
						delete(got, who)
					}
				}
				check(t, did+": charged", m.paid, got)
				r.checkFindings(t, did, m)
				r.verified(t)
				if t.Failed() {
					return
				}
			}
			checkChains(t, b.records(t))
		})
	}
}

func (r *rig) checkFindings(t *testing.T, did string, m *payersModel) {
	t.Helper()
	last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
	ok(t, err)
	want := 0
	for _, tenants := range m.differs {
		want += len(tenants)
	}
	if last.Number != int64(m.revisions) || last.Findings != int64(want) || (last.Reporting == daily.ReportingOff) != m.wasOff {
		t.Errorf("%s: revision %d with %d findings, reporting %q; want %d with %d, off: %t", did, last.Number, last.Findings, last.Reporting, m.revisions, want, m.wasOff)
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
	l := &landedUsage{hour: h, tenants: map[string]string{}, rows: map[string]string{}}
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
	if len(rows) == 0 { // the day takes no notice of an hour without rows of it
		l.rows[someStack[0]] = "0.5"
		rows = append(rows, of(someStack[0], row(0, hour22-1, "0.5")))
	}
	header := landing.Header{ReportedStart: h.Start(), CollectedAt: h.End(), ProviderSubscriptions: []string{operators}, Tenants: l.tenants}
	l.said = h.End()
	switch rnd.IntN(3) {
	case 0: // few moments, so that some are equally far, or the same
		header.TenantsAt = hour00.Start().Add(time.Duration(rnd.IntN(7)-3) * 20 * time.Minute)
		l.said, header.TenantsStale = header.TenantsAt, rnd.IntN(2) == 0
	case 1:
		header.TenantsStale, l.vague = true, true
	}
	m.landed = append(m.landed, l)
	r.headedHour(t, header, rows...)
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
