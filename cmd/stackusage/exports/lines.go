package exports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/focus"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// exporter makes lines of FOCUS files of the lines of closed usage days.
type exporter struct {
	flags
	reader *usagelines.Reader
	names  map[string]string // by GUID in lower case with dashes
	notes  []string          // days that the lines lack, or that may still change
}

// lines goes through the lines of registrations. That there is none is an error.
func (x *exporter) lines(ctx context.Context, histories []registration.History) iter.Seq2[focus.Line, error] {
	return func(yield func(focus.Line, error) bool) {
		found := false
		for _, h := range histories {
			for l, err := range x.registration(ctx, h) {
				found = true
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
		if !found {
			yield(focus.Line{}, fmt.Errorf("no usage is billed in the closed usage days of %s; stackusage day list shows the days", x.month))
		}
	}
}

func (x *exporter) registration(ctx context.Context, h registration.History) iter.Seq2[focus.Line, error] {
	return func(yield func(focus.Line, error) bool) {
		name := cmp.Or(h.Name(), h.CloudID)
		covered, err := x.reader.Coverage(ctx, h, x.month.First(), x.month.Last(), time.Now())
		if err != nil {
			yield(focus.Line{}, err)
			return
		}
		x.notes = append(x.notes, cli.NotCovered(name, x.month, covered)...)
		for l, err := range x.reader.Lines(ctx, usagelines.Query{CloudID: h.CloudID, First: x.month.First(), Last: x.month.Last()}) {
			if err != nil {
				yield(focus.Line{}, err)
				return
			}
			for state, quantity := range charged(l) {
				line := x.line(l, name, state, quantity)
				if line.Account, err = x.accountOf(l, h, name); !yield(line, err) || err != nil {
					return
				}
			}
		}
	}
}

// charged goes through what of a line the month bills, or counts without a bill. What
// commerce declined, what an operator waived and what another day bills is none of it.
func charged(l *usagelines.Line) iter.Seq2[focus.State, usage.Quantity] {
	return func(yield func(focus.State, usage.Quantity) bool) {
		_ = (l.Billed.Sign() == 0 || yield(focus.Billed, l.Billed)) &&
			(l.Pending.Sign() == 0 || yield(focus.Pending, l.Pending)) &&
			(l.Unreported.Sign() == 0 || yield(focus.Unreported, l.Unreported))
	}
}

func (x *exporter) line(l *usagelines.Line, registration string, state focus.State, quantity usage.Quantity) focus.Line {
	m := l.Meter()
	line := focus.Line{
		Place: fmt.Sprintf("usage day %s of %s, line %d", l.Day.Day, registration, l.Number),
		Day:   l.Day.Day, CarriedFrom: l.CarriedFrom, State: state, Quantity: quantity, Registration: registration,
		BillingModel: l.BillingModel, Subscription: l.BillingSubscriptionID,
		StackUser: l.SubscriptionID, StackUserName: x.names[usage.DashedGUID(l.SubscriptionID)], Tenant: l.Tenant, TenantName: x.names[l.Tenant],
		ResourceURI: l.ResourceURI, Location: l.Location, Tags: l.Tags,
		MeterID: l.MeterID, CommerceMeter: l.CommerceMeterID, MeterClass: l.MeterClass, MeterName: m.Name, Unit: m.Unit, Service: m.Service,
	}
	switch {
	case state == focus.Unreported:
	case l.Outcome != nil && l.Declined.Sign() == 0 && (state == focus.Pending) == (l.Pending.Sign() != 0):
		line.RecordID = l.Outcome.RecordID
	default:
		line.RecordID = l.Corrects // the last one that stands
	}
	return line
}

// accountOf is the billing account of a line.
func (x *exporter) accountOf(l *usagelines.Line, h registration.History, name string) (focus.Account, error) {
	charged := usage.DashedGUID(l.BillingSubscriptionID)
	own := ""
	if slices.ContainsFunc(h.Registrations, func(r registration.Registration) bool { return r.SubscriptionID == charged }) {
		own = name
	}
	a := focus.Account{ID: cmp.Or(x.account.ID, "/subscriptions/"+charged), Name: cmp.Or(x.account.Name, x.names[charged], own), Type: x.account.Type}
	switch {
	case a.Name == "":
		return a, fmt.Errorf("the billing account's name is missing: %s charges subscription %s, which has no name; name it with --names or --billing-account-name", name, charged)
	case a.Type == "":
		return a, errors.New("the billing account's type is missing: name it with --billing-account-type")
	}
	return a, nil
}
