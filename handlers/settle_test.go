package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const fabrikamPays = "77777777-29a7-4eba-a6d4-76202383f07f"

// settlement is what the last revision of a day has settled.
func (r *rig) settlement(t *testing.T, day usage.Day) (daybook.Revision, settlement.Settlement) {
	t.Helper()
	last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, day)
	ok(t, err)
	if last == nil || last.Settlement == "" {
		t.Fatalf("nothing is settled: %+v", last)
	}
	settled, err := settlement.DecodeSettlement(r.blob(t, last.Settlement))
	ok(t, err)
	return *last, settled
}

// rowOfTheDay lands an hour with a header that says something, and one row of
// the usage day.
func (r *rig) rowOfTheDay(t *testing.T, h usage.Hour, header landing.Header, row string) {
	t.Helper()
	header.ReportedStart = h.Start()
	if header.CollectedAt.IsZero() {
		header.CollectedAt = h.End()
	}
	r.headedHour(t, header, row)
	r.advance(24 * time.Hour)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
}

// A subscription moves to another tenant; ten days later one row of another
// subscription is reported late for the old day. The map of those ten days later
// moves nobody.
func TestALateRowDoesNotMoveTheBillingSubscription(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	r.mapTenant(t, contoso, contosoPays, "20191210")
	r.mapTenant(t, fabrikam, fabrikamPays, "20191210")
	for _, h := range allDay {
		r.tenantHour(t, h, map[string]string{subscription: contoso}, rowsOf(h)...)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	want := map[string]string{"2019-12-10 " + contosoPays: "54634277698583901/1000000000000000"}
	check(t, "charged at first", want, paid(t, b))
	after := landing.Header{Tenants: map[string]string{subscription: fabrikam}, ProviderSubscriptions: []string{operators}}
	r.rowOfTheDay(t, hour00+24*10, after, of(deleted, row(9, hour22, "0.001")))
	want["2019-12-10 "+payer] = "1/1000"
	check(t, "charged after the late row", want, paid(t, b))
	last, settled := r.settlement(t, theDay)
	if last.Findings != 1 || len(settled.Differs) != 1 || settled.Differs[0].Subscription != subscription || settled.Differs[0].Tenant != fabrikam {
		t.Errorf("findings %d: %+v", last.Findings, settled.Differs)
	}
	if sub := settled.Subscriptions[deleted]; sub.Revision != 2 || sub.Tenant != "" {
		t.Errorf("the late subscription is settled as %+v", sub)
	}
	t.Run("the same hour collected again nearer to nothing changes nothing either", func(t *testing.T) {
		after.TenantsAt = hour00.Start()
		r.rowOfTheDay(t, hour00+24*11, after, row(1, hour22, "0"))
		check(t, "charged", want, paid(t, b))
	})
	t.Run("an operator who restates the day has it settled by the nearest observation", func(t *testing.T) {
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("the customer had moved already"))
		ok(t, err)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		check(t, "charged", map[string]string{"2019-12-10 " + contosoPays: "54634277698583901/1000000000000000", "2019-12-10 " + payer: "1/1000"}, paid(t, b))
		_, settled := r.settlement(t, theDay)
		if len(settled.Differs) != 0 || settled.Subscriptions[subscription].ObservedAt != hour23.End() {
			t.Errorf("%+v", settled)
		}
	})
	r.verified(t)
}

// One more hour, with one row of the day and a header in which the tenant's
// subscription is the stack's own: nothing that was billed becomes free.
func TestNothingBecomesFreeByALateHeader(t *testing.T) {
	t.Parallel()
	r := registered(t)
	b := newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	want := map[string]string{"2019-12-10 full": "54634277698583901/1000000000000000"}
	check(t, "classes at first", want, paidBy(t, b, "meterClass"))
	late := landing.Header{ProviderSubscriptions: []string{subscription}}
	r.rowOfTheDay(t, hour00+1, late, row(1, hour22, "0.0001"))
	want["2019-12-10 full"] = "54634377698583901/1000000000000000"
	check(t, "classes after the late header", want, paidBy(t, b, "meterClass"))
	last, settled := r.settlement(t, theDay)
	if last.Findings != 1 || len(settled.Seen) != 1 || !slices.Equal(settled.Seen[0].Subscriptions, []string{subscription}) {
		t.Errorf("findings %d: %+v", last.Findings, settled.Seen)
	}
	t.Run("a day that is restated goes by the registration's list, whatever headers say", func(t *testing.T) {
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("is it the same?"))
		ok(t, err)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		check(t, "classes", want, paidBy(t, b, "meterClass"))
	})
	t.Run("and is free once an operator has changed the list", func(t *testing.T) {
		_, err := r.registrar().SetInfrastructure(t.Context(), registration.DefaultName(cloudID), registration.InfrastructureEntry{EffectiveDay: "20191210",
			Subscriptions: []string{subscription}, Note: registration.Note{By: "olga", Reason: "it is the stack's own"}})
		ok(t, err)
		_, err = daybook.AskRevision(t.Context(), r.Tables, cloudID, theDay, openday.SettleRegistration, because("the list has changed"))
		ok(t, err)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		check(t, "classes", map[string]string{"2019-12-10 full": "0", "2019-12-10 admin": want["2019-12-10 full"]}, paidBy(t, b, "meterClass"))
	})
	r.verified(t)
}

// catalogueWith is the built-in catalogue with a text changed in the line of a
// meter.
func catalogueWith(t *testing.T, id, old, new string) *meter.Catalogue {
	t.Helper()
	builtIn, err := meter.BuiltIn()
	ok(t, err)
	lines := bytes.Split(builtIn.Bytes(), []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte(id)) {
			lines[i] = bytes.Replace(line, []byte(old), []byte(new), 1)
		}
	}
	changed, err := meter.Parse(bytes.Join(lines, []byte("\n")))
	ok(t, err)
	if changed.SHA256() == builtIn.SHA256() {
		t.Fatalf("meter %s has no %s", id, old)
	}
	return changed
}

func TestANewCatalogueReachesAClosedDayByItsRestatement(t *testing.T) {
	t.Parallel()
	r := registered(t)
	b := newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	first, _ := r.settlement(t, theDay)
	r.Meters = catalogueWith(t, tableMeter, ",full,", ",informational,")
	r.rowOfTheDay(t, hour00+1, landing.Header{}, row(1, hour22, "1"))
	check(t, "a late row", map[string]string{"2019-12-10 full": "55634277698583901/1000000000000000"}, paidBy(t, b, "meterClass"))
	restate := func(settle string) daybook.Revision {
		t.Helper()
		_, err := daybook.AskRevision(t.Context(), r.Tables, cloudID, theDay, settle, because("another catalogue"))
		ok(t, err)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		last, _ := r.settlement(t, theDay)
		return last
	}
	if last := restate(openday.SettleRegistration); last.Catalogue != first.Catalogue || last.Settle != openday.SettleRegistration {
		t.Errorf("after a change of the registration: %+v", last)
	}
	check(t, "after a change of the registration", map[string]string{"2019-12-10 full": "55634277698583901/1000000000000000"}, paidBy(t, b, "meterClass"))
	if last := restate(openday.SettleAll); last.Catalogue != r.Meters.SHA256() || last.Settle != openday.SettleAll {
		t.Errorf("after an operator's restatement: %+v", last)
	}
	check(t, "after an operator's restatement", map[string]string{"2019-12-10 full": "0", "2019-12-10 informational": "55634277698583901/1000000000000000"}, paidBy(t, b, "meterClass"))
	if got := r.blob(t, "daily/catalogue/"+r.Meters.SHA256()+".csv"); !bytes.Equal(got, r.Meters.Bytes()) {
		t.Error("the bytes of the catalogue are not kept")
	}
	r.verified(t)
}

// A recorded change of the registration that a restatement brings to a closed day
// leaves tenants as they are settled.
func TestAChangeOfTheRegistrationLeavesTenants(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	r.mapTenant(t, contoso, contosoPays, "20191210")
	for _, h := range allDay {
		r.tenantHour(t, h, map[string]string{subscription: contoso}, rowsOf(h)...)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	was, _ := r.settlement(t, theDay)
	r.rowOfTheDay(t, hour00+3, landing.Header{TenantsAt: hour00.Start(), Tenants: map[string]string{subscription: fabrikam}, ProviderSubscriptions: []string{operators}}, row(1, hour22, "0"))
	r.mapTenant(t, contoso, fabrikamPays, "20191210")
	_, err := daybook.AskRevision(t.Context(), r.Tables, cloudID, theDay, openday.SettleRegistration, because("the mapping has changed"))
	ok(t, err)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	all := "54634277698583901/1000000000000000"
	check(t, "charged", map[string]string{"2019-12-10 " + contosoPays: "0", "2019-12-10 " + fabrikamPays: all}, paid(t, b))
	last, settled := r.settlement(t, theDay)
	if last.Change <= was.Change || last.Findings != 1 || settled.Subscriptions[subscription].Tenant != contoso {
		t.Errorf("settled by change %d after %d, %d findings: %+v", last.Change, was.Change, last.Findings, settled)
	}
	r.verified(t)
}

// What was settled must be what its revision says.
func TestADamagedSettlementIsNotUsed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *rig, table.Props)
		want  string
	}{
		{"another content", func(t *testing.T, r *rig, p table.Props) {
			r.putBlob(t, "daily", "tampered", []byte(strings.Replace(string(r.blob(t, p["settlement"].(string))), payer, fabrikamPays, 1)))
			p["settlement"] = "daily/tampered"
		}, "UsageDays says"},
		{"gone", func(_ *testing.T, _ *rig, p table.Props) { p["settlement"] = "daily/gone" }, "no such blob"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := stated(t)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			row, err := r.store.Tables.Get(t.Context(), table.UsageDays, cloudID, "20191210_0001")
			ok(t, err)
			c.spoil(t, r, row.Props)
			ok(t, r.store.Tables.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Verb: table.Put, Row: row}))
			_, err = daybook.AskRevision(t.Context(), r.Tables, cloudID, theDay, openday.SettleNothing, because("to be sure"))
			ok(t, err)
			if body := r.fails(t, "CloseDay", dayMessage(theDay)); !strings.Contains(body, c.want) {
				t.Errorf("body %s, want %q", body, c.want)
			}
		})
	}
}

// Two days of a registration without a list of infrastructure subscriptions close
// at once, whichever requests of the one the other comes between: one list is
// recorded, and both days go by it.
func TestTwoDaysAtOnceRecordOneListOfInfrastructure(t *testing.T) {
	t.Parallel()
	const other = "44444444-cfe9-4fcf-b90c-87f2af292fc9"
	next := theDay.Next()
	closeBeside := func(t *testing.T, at int) (requests int, r *rig) {
		t.Helper()
		r = registered(t)
		header := func(h usage.Hour, list string) landing.Header {
			return landing.Header{ReportedStart: h.Start(), CollectedAt: h.End(), ProviderSubscriptions: []string{list}}
		}
		r.headedHour(t, header(hour23, operators), of(operators, row(1, hour22, "1")), of(other, row(2, hour22, "2")))
		r.headedHour(t, header(hour23+24, other), of(operators, row(1, hour22+24, "1")), of(other, row(2, hour22+24, "2")))
		beside := r.beside(t)
		r.advance(90 * time.Hour) // past the deadlines
		beside.offset.Store(r.offset.Load())
		r.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				beside.done(t, "CloseDay", dayMessage(next))
			}
			return do()
		})
		r.done(t, "CloseDay", dayMessage(theDay))
		r.through(nil)
		return requests, r
	}
	requests, _ := closeBeside(t, 0)
	for at := 1; at <= requests; at++ {
		t.Run(fmt.Sprintf("before request %d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			_, r := closeBeside(t, at)
			history, err := r.registry().History(t.Context(), cloudID)
			ok(t, err)
			if len(history.Infrastructure) != 1 || history.Infrastructure[0].Confirmed || history.Infrastructure[0].EffectiveDay != "20191210" {
				t.Fatalf("recorded %+v", history.Infrastructure)
			}
			for _, day := range []usage.Day{theDay, next} {
				if _, settled := r.settlement(t, day); !slices.Equal(settled.Parts[0].Infrastructure, history.Infrastructure[0].Subscriptions) || settled.Change != history.Version {
					t.Errorf("%s is settled by %v of change %d, recorded is %v of change %d", day, settled.Parts[0].Infrastructure, settled.Change, history.Infrastructure[0].Subscriptions, history.Version)
				}
			}
		})
	}
}

// The registration changes while a day closes, whichever requests of the closer it
// comes between: the day says by which change it is settled, and is settled by
// what the registration was then. So whoever looks for days that a change has not
// reached finds it.
func TestADaySaysByWhichChangeItIsSettled(t *testing.T) {
	t.Parallel()
	closeBeside := func(t *testing.T, at int) (requests int, r *rig) {
		t.Helper()
		r = newRig(t)
		r.registerAs(t, func(*registration.Registration) {})
		r.mapTenant(t, contoso, contosoPays, "20191210")
		for _, h := range allDay {
			r.tenantHour(t, h, map[string]string{subscription: contoso}, rowsOf(h)...)
		}
		r.through(func(op faultstore.Operation, do func() error) error {
			if requests++; requests == at {
				r.mapTenant(t, contoso, fabrikamPays, "20191210")
				_, err := r.registrar().SetInfrastructure(t.Context(), "hamburg", registration.InfrastructureEntry{EffectiveDay: "20191210", Subscriptions: []string{deleted}})
				ok(t, err)
			}
			return do()
		})
		r.done(t, "CloseDay", dayMessage(theDay))
		r.through(nil)
		return requests, r
	}
	requests, _ := closeBeside(t, 0)
	for at := 1; at <= requests; at++ {
		t.Run(fmt.Sprintf("before request %d of %d", at, requests), func(t *testing.T) {
			t.Parallel()
			_, r := closeBeside(t, at)
			history, err := r.registry().History(t.Context(), cloudID)
			ok(t, err)
			last, settled := r.settlement(t, theDay)
			parts, err := history.At(int(last.Change)).Parts("20191210")
			ok(t, err)
			if last.Change != int64(settled.Change) || len(parts) != 1 || settled.Parts[0].Mappings[contoso] != parts[0].Tenants[contoso] ||
				!slices.Equal(settled.Parts[0].Infrastructure, parts[0].Infrastructure) {
				t.Errorf("settled by change %d of %d: %+v; the registration was then %+v", last.Change, history.Version, settled.Parts, parts)
			}
		})
	}
}

// A list that activation keys and headers gave is recorded, and asks to be
// confirmed; a registration that has one keeps it.
func TestTheListOfInfrastructureIsRecordedOnce(t *testing.T) {
	t.Parallel()
	const provider = "55555555-cfe9-4fcf-b90c-87f2af292fc9"
	r := newRig(t)
	r.registerAs(t, func(*registration.Registration) {})
	_, err := r.registrar().RecordProvider(t.Context(), "hamburg", provider, registration.Note{By: "olga", Reason: "activation key"})
	ok(t, err)
	for _, h := range allDay {
		r.tenantHour(t, h, nil, rowsOf(h)...)
	}
	r.done(t, "CloseDay", dayMessage(theDay))
	last, settled := r.settlement(t, theDay)
	if want := []string{operators, provider}; !slices.Equal(settled.Parts[0].Infrastructure, want) {
		t.Errorf("settled %v, want %v", settled.Parts[0].Infrastructure, want)
	}
	if last.Findings != 1 || !slices.Equal(settled.Seen[0].Subscriptions, []string{operators}) {
		t.Errorf("the headers' list is found as %+v", settled.Seen)
	}
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	if settled.Change != history.Version || history.Infrastructure[0].By != "CloseDay" {
		t.Errorf("change %d of %d by %+v", settled.Change, history.Version, history.Infrastructure)
	}
}

// A header may name any number of the stack's own subscriptions, a registration
// holds 500: a longer list is a finding, and the day is closed without it.
func TestAListThatNoRegistrationHolds(t *testing.T) {
	t.Parallel()
	const provider = "55555555-cfe9-4fcf-b90c-87f2af292fc9"
	for n, want := range map[int][]string{600: {operators, provider}, 500: {provider}} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			r := registered(t)
			_, err := r.registrar().RecordProvider(t.Context(), registration.DefaultName(cloudID), provider, registration.Note{By: "olga", Reason: "activation key"})
			ok(t, err)
			many := make([]string, n)
			for i := range many {
				many[i] = fmt.Sprintf("%08x-cfe9-4fcf-b90c-87f2af292fc9", i+1)
			}
			for i, h := range allDay {
				header := landing.Header{ReportedStart: h.Start(), CollectedAt: hour00.End().Add(time.Duration(i) * time.Hour), ProviderSubscriptions: []string{operators}}
				if i == 0 { // the nearest to the end of the day
					header.CollectedAt, header.ProviderSubscriptions = theDay.End(), many
				}
				r.headedHour(t, header, rowsOf(h)...)
			}
			r.done(t, "CloseDay", dayMessage(theDay))
			_, settled := r.settlement(t, theDay)
			if got := settled.Parts[0].Infrastructure; !slices.Equal(got, want) {
				t.Errorf("settled %v, want %v", got, want)
			}
			if !slices.ContainsFunc(settled.Seen, func(s settlement.SeenInfrastructure) bool { return len(s.Subscriptions) == n }) {
				t.Errorf("the long list is no finding: %d lists", len(settled.Seen))
			}
		})
	}
}

// A day of which nothing counts says nothing of the stack's own subscriptions: no
// list is recorded, and the next day that closes finds one.
func TestADayOfNothingRecordsNoInfrastructure(t *testing.T) {
	t.Parallel()
	r := registered(t)
	b := newBilling(t, r)
	for _, h := range allDay {
		_, err := hourlog.Exclude(t.Context(), r.Tables, hourID(r.ingest(t, h, rowsOf(h)...)), because("a test of the stack"), false)
		ok(t, err)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	check(t, "classes of a day of nothing", map[string]string{}, paidBy(t, b, "meterClass"))
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	if len(history.Infrastructure) != 0 {
		t.Fatalf("recorded %v", history.Infrastructure)
	}
	h := hour23 + 48
	r.headedHour(t, landing.Header{ReportedStart: h.Start(), CollectedAt: h.End(), ProviderSubscriptions: []string{operators}}, of(operators, row(1, h-1, "1")))
	r.advance(90 * time.Hour)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	r.sweptOut(t, rand.New(rand.NewPCG(1, 1)))
	check(t, "classes", map[string]string{"2019-12-12 admin": "1"}, paidBy(t, b, "meterClass"))
}

// Where one registration ends inside the day and another begins, the usage of a
// key is charged to each by its hours, also where one hour blob reports both.
func TestAPartOfADayIsChargedByItsOwnRegistration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	_, err := r.registrar().End(t.Context(), "hamburg", hour23.Start(), registration.Note{By: "olga", Reason: "sold"}, registrar.Condition{})
	ok(t, err)
	r.registerAs(t, func(reg *registration.Registration) {
		reg.Name, reg.SubscriptionID, reg.Start = "bremen", fabrikamPays, hour23.Start()
	})
	r.ingest(t, hour22, row(1, hour22-1, "1"))
	r.ingest(t, hour23, row(1, hour22-1, "2"), row(1, hour22, "4"), row(2, hour22, "8"))
	r.ingest(t, hour00, row(1, hour23, "16"), row(1, hour22, "32"), row(2, hour23, "64"))
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	check(t, "charged", map[string]string{"2019-12-10 " + payer: "47", "2019-12-10 " + fabrikamPays: "80"}, paid(t, b))
	_, settled := r.settlement(t, theDay)
	if len(settled.Parts) != 2 || !settled.Parts[0].Until.Equal(hour23.Start()) || settled.Parts[1].Registration != "bremen" {
		text, _ := json.Marshal(settled.Parts)
		t.Errorf("parts %s", text)
	}
}
