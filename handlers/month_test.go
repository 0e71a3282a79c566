package handlers_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// month drives the app at random, and the oracle beside it.
type month struct {
	*rig
	rnd    *rand.Rand
	oracle *oracle
	taken  map[usage.Hour][]string   // rows that count
	mended map[usage.Hour][]string   // rejected rows of them, as they were redriven
	files  map[usage.Hour][][]string // rows of the files that came
}

const unknownMeter = "0b4fcb5e-fbdb-5fd3-837c-ff562e918fbb"

// monthMeters are of every kind: free, with commerce's own ids, retired, unknown.
var (
	monthMeters = []string{tableMeter, "09f8879e-87e9-4305-a572-4b7be209f857", "6dab500f-a4fd-49c4-956d-229bb9c8c793", "5d76e09f-4567-452a-94cc-7d1f097761f0", unknownMeter}
	monthDays   = []string{"20191209", "20191210", "20191211", "20191212"}
	monthPayers = []string{payer, "aaaaaaaa-29a7-4eba-a6d4-76202383f07f", "bbbbbbbb-29a7-4eba-a6d4-76202383f07f"}
)

// TestAnyMonth: hours in any order, late, twice, in conflict, excluded; rejected rows
// that are redriven; registration, mappings and infrastructure that change, also for
// days that are closed; restatements; and commerce that answers in every way it may.
// After every few steps, once all is answered, what commerce has accepted is what the
// oracle says: payer, class, meter, resource, day and quantity.
func TestAnyMonth(t *testing.T) {
	t.Parallel()
	gave := map[string]*atomic.Int64{}
	for _, mood := range []string{"status", "guilty", "rejected", "conflict", "cut", "unreadable", "left out", "slow", "later"} {
		gave[mood] = &atomic.Int64{}
	}
	t.Cleanup(func() {
		for mood, n := range gave {
			if n.Load() == 0 {
				t.Errorf("commerce was never in the mood for %q", mood)
			}
		}
	})
	for seed := range uint64(soak(4, 200)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := &month{rig: newRig(t), rnd: rand.New(rand.NewPCG(seed, 13)), oracle: newOracle(t),
				taken: map[usage.Hour][]string{}, mended: map[usage.Hour][]string{}, files: map[usage.Hour][][]string{}}
			m.Settings.ReopenDelay = 6 * time.Hour
			commerce, bill := newMoody(t, m.rig, seed)
			m.begin(t)
			var did []string
			for step := range 16 {
				commerce.mood(m.rnd.IntN(4) > 0)
				did = append(did, m.anything(t))
				m.work(t)
				if step%4 != 3 {
					continue
				}
				commerce.mood(true)
				for range 4 { // in which days close
					m.advance(8 * time.Hour)
					m.work(t)
				}
				commerce.mood(false)
				m.untilAllIsBilled(t)
				rows := slices.Concat(append(slices.Collect(maps.Values(m.taken)), slices.Collect(maps.Values(m.mended))...)...)
				check(t, fmt.Sprintf("after %s: billed", strings.Join(did, "; ")), m.oracle.bill(t, rows), billedLines(t, bill))
				if report := m.audit(t); !report.Agrees() {
					t.Errorf("after %s: verify: %v; open: %v", strings.Join(did, "; "), report.Differences, report.Open)
				}
				if t.Failed() {
					return
				}
			}
			commerce.mu.Lock()
			defer commerce.mu.Unlock()
			for mood, n := range commerce.gave {
				if gave[mood] != nil {
					gave[mood].Add(int64(n))
				}
			}
		})
	}
}

// begin registers the stack, and lands its first hour.
func (m *month) begin(t *testing.T) {
	t.Helper()
	m.registerAs(t, func(reg *registration.Registration) { reg.EffectiveDay = "20191209" })
	m.oracle.charged = []said{{"20191209", payer}}
	_, err := m.operator(true).SetInfrastructure(t.Context(), "hamburg", registration.InfrastructureEntry{EffectiveDay: "20191209", Subscriptions: []string{operators}})
	ok(t, err)
	m.oracle.operator = []said{{"20191209", operators}}
	m.oracle.tenants = map[string]string{}
	for i, sub := range someStack {
		m.oracle.tenants[sub] = someTenants[i%len(someTenants)]
	}
	m.land(t, hour22)
}

// anything does one thing and says what.
func (m *month) anything(t *testing.T) string {
	t.Helper()
	h := hour22 + usage.Hour(m.rnd.IntN(12))
	day := oneOf(m.rnd, monthDays)
	switch n := m.rnd.IntN(16); {
	case n < 7:
		return m.land(t, h)
	case n == 7:
		return m.exclude(t, h)
	case n == 8:
		return m.redrive(t, h)
	case n < 11:
		what := oneOf(m.rnd, monthPayers)
		history, err := m.registry().History(t.Context(), cloudID)
		ok(t, err)
		held, err := history.On(day)
		ok(t, err)
		reg, reporting := held.Registration, true
		reg.EffectiveDay, reg.SubscriptionID, reg.Note = day, what, registration.Note{By: "olga", Reason: "another contract"}
		_, _, err = m.operator(true).Put(t.Context(), registrar.Change{Registration: reg, Reporting: &reporting})
		ok(t, err)
		m.oracle.charge(day, what)
		return fmt.Sprintf("%.8s is charged from %s", what, day)
	case n < 13:
		i := m.rnd.IntN(len(someTenants))
		_, _, err := m.operator(true).Map(t.Context(), "hamburg", registration.Mapping{TenantID: someTenants[i], SubscriptionID: someAzure[i], EffectiveDay: day})
		ok(t, err)
		if h := m.oracle.mapped[someTenants[i]]; len(h) == 0 || day < h[0].day {
			m.oracle.mapped[someTenants[i]] = say(h, said{day, someAzure[i]})
		}
		return fmt.Sprintf("tenant %.8s is mapped from %s", someTenants[i], day)
	case n == 13:
		subs := []string{operators}
		if m.rnd.IntN(2) == 0 {
			subs = append(subs, someStack[3])
			slices.Sort(subs)
		}
		_, err := m.operator(true).SetInfrastructure(t.Context(), "hamburg", registration.InfrastructureEntry{EffectiveDay: day, Subscriptions: subs})
		ok(t, err)
		if len(subs) > 1 { // headers go on with the list of before
			_, err := m.operator(true).ConfirmInfrastructure(t.Context(), "hamburg", day, registration.ListHash([]string{operators}), registration.Note{By: "olga", Reason: "headers lag behind"})
			ok(t, err)
		}
		if list := strings.Join(subs, ","); on(m.oracle.operator, day) != list { // what holds already is not said again
			m.oracle.operator = say(m.oracle.operator, said{day, list})
		}
		return fmt.Sprintf("infrastructure %d from %s", len(subs), day)
	default:
		if last, err := daybook.LastRevision(t.Context(), m.Tables, cloudID, theDay); err != nil || last == nil {
			return "nothing"
		}
		_, err := daybook.AskRestate(t.Context(), m.Tables, cloudID, theDay, because("look again"))
		ok(t, err)
		return "restate"
	}
}

// land lands a file: the first of its hour counts, of others an operator decides.
func (m *month) land(t *testing.T, h usage.Hour) string {
	t.Helper()
	var rows, bad []string
	if files := m.files[h]; len(files) > 0 && m.rnd.IntN(3) == 0 { // the rows of a file that came before
		rows = oneOf(m.rnd, files)
	} else {
		for range m.rnd.IntN(12) {
			text := row(m.rnd.IntN(3), h-usage.Hour(m.rnd.IntN(8)), fmt.Sprintf("%d.%0*d", m.rnd.IntN(50), 1+m.rnd.IntN(12), m.rnd.IntN(1000)))
			rows = append(rows, of(oneOf(m.rnd, someStack), strings.Replace(text, tableMeter, oneOf(m.rnd, monthMeters), 1)))
		}
		if m.rnd.IntN(2) == 0 {
			bad = []string{row(5, h, "-1"), `{}`}
		}
		rows = append(rows, bad...)
		m.files[h] = append(m.files[h], rows)
	}
	name := m.headedHour(t, landing.Header{ReportedStart: h.Start(), CollectedAt: h.End(), TenantsAt: h.End(),
		ProviderSubscriptions: []string{operators}, Tenants: m.oracle.tenants}, rows...)
	good := slices.DeleteFunc(slices.Clone(rows), func(text string) bool { return text == `{}` || strings.Contains(text, `"quantity":-1`) })
	verdict := m.hourRow(t, name).Verdict
	switch _, counted := m.taken[h]; {
	case !counted && verdict == hourlog.Accepted:
		m.taken[h] = good
	case verdict == hourlog.Conflict || verdict == hourlog.Voided:
		if m.rnd.IntN(3) == 0 {
			_, err := hourlog.KeepOut(t.Context(), m.Tables, hourID(name), because("no"))
			ok(t, err)
			return fmt.Sprintf("a file of %s is kept out", h)
		}
		m.supersede(t, name)
		m.taken[h] = good
		delete(m.mended, h)
		return fmt.Sprintf("a file of %s takes over", h)
	}
	return fmt.Sprintf("%s landed and is %s", h, verdict)
}

// exclude takes an hour out. The first one stays: its map of tenants is that of
// everything.
func (m *month) exclude(t *testing.T, h usage.Hour) string {
	t.Helper()
	if _, counts := m.taken[h]; !counts || h == hour22 {
		return "nothing"
	}
	standing, err := hourlog.AcceptedHour(t.Context(), m.Tables, hourlog.ID{CloudID: cloudID, Hour: h})
	ok(t, err)
	if standing.Counts == "" {
		return "nothing"
	}
	_, err = hourlog.Exclude(t.Context(), m.Tables, hourlog.ID{CloudID: cloudID, Hour: h, SHA16: standing.Counts}, because("it is wrong"), false)
	ok(t, err)
	m.taken[h] = nil
	delete(m.mended, h)
	return fmt.Sprintf("%s is excluded", h)
}

func (m *month) redrive(t *testing.T, h usage.Hour) string {
	t.Helper()
	standing, err := hourlog.AcceptedHour(t.Context(), m.Tables, hourlog.ID{CloudID: cloudID, Hour: h})
	if err != nil || standing.Counts == "" {
		return "nothing"
	}
	text := row(m.rnd.IntN(3), h-1, "0.125")
	if !m.redriveOne(t, h, text) {
		return "nothing"
	}
	m.mended[h] = append(m.mended[h], text)
	return fmt.Sprintf("a row of %s is redriven", h)
}

// work is one run of Sweep, and all that it announces.
func (m *month) work(t *testing.T) {
	t.Helper()
	m.advance(6 * time.Hour)
	m.sweep(t)
	for _, f := range []struct{ queue, function string }{
		{queue.Landed, "IngestHour"}, {queue.Days, "CloseDay"}, {queue.Batches, "ForwardBatch"},
	} {
		messages := m.take(t, f.queue)
		m.rnd.Shuffle(len(messages), func(i, j int) { messages[i], messages[j] = messages[j], messages[i] })
		for _, message := range messages {
			m.done(t, f.function, message)
		}
	}
	m.retry(t)
}

// retry has batches that wait sent again soon after, while requests of the try before
// may be on their way.
func (m *month) retry(t *testing.T) {
	t.Helper()
	for b, err := range outbox.PendingBatches(t.Context(), m.Tables, cloudID) {
		ok(t, err)
		for range m.rnd.IntN(4) {
			m.advance(time.Minute)
			_, err := outbox.AskRetry(t.Context(), m.Tables, b.ID, because("at once"))
			ok(t, err)
			m.done(t, "ForwardBatch", queue.BatchMessage(b.ID))
		}
	}
}

// untilAllIsBilled works until nothing is open, and nothing is found any more.
func (m *month) untilAllIsBilled(t *testing.T) {
	t.Helper()
	quiet := 0
	for n := range 120 {
		m.advance(4 * time.Hour << min(n, 3))
		m.work(t)
		marks, err := openday.List(t.Context(), m.Tables)
		ok(t, err)
		if quiet++; len(marks) > 0 {
			quiet = 0
		}
		if quiet == 2 {
			return
		}
	}
	t.Fatalf("something stays open for ever: %v", slices.Sorted(maps.Keys(m.rows(t, "OpenDays"))))
}
