package closing

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// settling is what decides who pays for a usage day and what of it is free,
// while a revision is made. Most of it is settled when the day is first closed;
// the tenants of subscriptions that appear later are settled then.
type settling struct {
	*settlement.Settler
	closing   *daybook.Closing
	before    *settlement.Settlement // of the revisions before; nil if the day was never settled
	parts     []settlement.SettledPart
	meters    *meter.Catalogue
	region    string // the stack's name for itself in the latest counted hour that has one
	reporting string // daily.ReportingOff: nothing is settled
}

// beginSettling reads what the revisions before have settled, as far as the
// request leaves it.
func (cl *Closer) beginSettling(ctx context.Context, c *daybook.Closing, history registration.History, number int) (*settling, error) {
	s := &settling{closing: c, meters: cl.Meters}
	parts, err := partsOf(history, c.Day)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(parts, func(p settlement.SettledPart) bool { return p.Reporting != daily.ReportingOff }) {
		s.reporting = daily.ReportingOff
	}
	if c.Last != nil {
		if s.before, err = daybook.ReadSettlement(ctx, cl.Blobs, *c.Last); err != nil {
			return nil, err
		}
	}
	start := settlement.Settlement{CloudID: c.CloudID, UsageDay: c.Day}
	if s.before != nil && s.settles() != openday.SettleAll {
		start = *s.before
		s.meters, err = cl.catalogue(ctx, start.Catalogue)
	}
	s.Settler = settlement.NewSettler(start, number)
	return s, err
}

// settles is what the request has settled anew. With reporting off it is nothing:
// what was charged before stays.
func (s *settling) settles() string {
	if s.closing.Request == nil || s.reporting == daily.ReportingOff && s.before != nil {
		return openday.SettleNothing
	}
	return s.closing.Request.Settle
}

// observe reads what the header of a counted input says.
func (s *settling) observe(in openday.Input, h daily.PartialHeader) {
	s.Observe(in.Hour.Compact()+"_"+in.SHA16, h)
	s.region = cmp.Or(h.Region, s.region)
}

// settleParts settles what the registration says, unless it is, after all headers
// were observed.
func (cl *Closer) settleParts(ctx context.Context, s *settling, history registration.History) error {
	if s.before != nil && s.settles() == openday.SettleNothing {
		s.parts = s.before.Parts
		return nil
	}
	var err error
	if s.reporting != daily.ReportingOff && len(s.closing.Counted) > 0 { // a day of nothing says nothing of the stack
		if history, err = cl.recordInfrastructure(ctx, s, history); err != nil {
			return err
		}
	}
	if s.parts, err = partsOf(history, s.closing.Day); err != nil {
		return err
	}
	s.By(history.Version, s.meters.SHA256(), s.parts)
	if s.reporting == daily.ReportingOff {
		return nil
	}
	return content.PutBytes(ctx, cl.Blobs, table.ContainerDaily, catalogueBlob(s.meters.SHA256()), s.meters.Bytes())
}

// recordInfrastructure gives a registration that has no list of the stack's own
// subscriptions one before the day is closed by it: what activation keys name,
// and what the stack said nearest to the end of the day. Of two closers at once
// the second begins again, and goes by what the first recorded. A registration that
// ended inside the day goes by the list of the one after it, if it has none.
func (cl *Closer) recordInfrastructure(ctx context.Context, s *settling, history registration.History) (registration.History, error) {
	registrar := registrar.Registrar{Store: cl.Registrations, Now: cl.Now}
	named := slices.Concat(history.Providers, s.Infrastructure())
	if !registration.KeepsList(named) { // a header's list does not keep the day from being closed
		named = history.Providers
	}
	parts, err := history.Parts(s.closing.Day.Compact())
	if err == nil {
		history, err = registrar.RecordInfrastructure(ctx, history, parts[len(parts)-1], named, registration.Note{
			By: "CloseDay", Reason: fmt.Sprintf("found when usage day %s was closed; to be confirmed", s.closing.Day),
		})
	}
	if errors.Is(err, registration.ErrChanged) { // whether the day reports may be another thing by now
		err = daybook.ErrOtherCloser
	}
	if err != nil {
		err = fmt.Errorf("close day %s of %s: %w", s.closing.Day, s.closing.CloudID, err)
	}
	return history, err
}

// header is the first line of the day's file.
func (s *settling) header(m daily.Manifest, missing []usage.Hour) (daily.DayHeader, error) {
	last := s.parts[len(s.parts)-1]
	h := daily.DayHeader{
		CloudID: m.CloudID, UsageDay: m.UsageDay, Revision: m.Revision, BillingModel: last.BillingModel,
		BillingSubscriptionID: last.BillingSubscriptionID, Reporting: s.reporting, MissingHours: missing, Inputs: m.Inputs, Carries: m.Carries,
	}
	var err error
	if h.CarriedTo, err = s.closing.CarryTo(); err == nil && h.CarriedTo != 0 {
		h.Reason = s.closing.Request.RestateReason
	}
	if request := s.closing.Answering(); request != nil && request.Waive {
		h.Waived = daily.WaivedAll
	} else if request != nil && request.Settle == openday.SettleAll {
		h.Waived = daily.WaivedNone
	}
	return h, err
}

// rules are what the lines of the day are made by.
func (s *settling) rules(number int, incomplete bool) daily.Rules {
	terms := settlement.TermsOf(s.parts)
	last := len(terms) - 1
	if s.reporting == daily.ReportingOff { // of all parts, and the header says so
		for i := range terms {
			terms[i].Unreported = false
		}
	}
	return daily.Rules{
		CloudID: s.closing.CloudID, Day: s.closing.Day, Revision: number, Terms: terms[last], Earlier: terms[:last],
		Tenant: s.Tenant, Region: cmp.Or(s.region, s.parts[last].Region), Incomplete: incomplete, Meters: s.meters,
	}
}

// keepSettlement stores the settlement after all usage was asked for, and notes it in the
// revision's row. Content comes first: the row is not there yet.
func (cl *Closer) keepSettlement(ctx context.Context, s *settling, r *daybook.Revision) error {
	if s.reporting == daily.ReportingOff {
		if last := s.closing.Last; last != nil {
			r.Settlement, r.SettlementSHA256, r.Change, r.Catalogue, r.Findings = last.Settlement, last.SettlementSHA256, last.Change, last.Catalogue, last.Findings
		}
		return nil
	}
	settled := s.Settle()
	text, err := settled.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	blob := fmt.Sprintf("%s/%s/settlement-%x.json", s.closing.CloudID, s.closing.Day.Path(), sum[:8])
	r.Settlement, r.SettlementSHA256 = table.ContainerDaily+"/"+blob, hex.EncodeToString(sum[:])
	r.Change, r.Catalogue, r.Findings = int64(settled.Change), settled.Catalogue, int64(settled.Findings())
	return content.PutBytes(ctx, cl.Blobs, table.ContainerDaily, blob, text)
}

const maxCatalogue = 64 << 20

func catalogueBlob(sum string) string { return "catalogue/" + sum + ".csv" }

// catalogue is the catalogue of meters with a hash: today's, or the one that was
// kept when a day was settled.
func (cl *Closer) catalogue(ctx context.Context, sum string) (*meter.Catalogue, error) {
	if sum == cl.Meters.SHA256() {
		return cl.Meters, nil
	}
	text, err := content.Blob{Container: table.ContainerDaily, Name: catalogueBlob(sum), SHA256: sum, NamedIn: "the settlement"}.Bytes(ctx, cl.Blobs, maxCatalogue)
	if err != nil {
		return nil, err
	}
	return meter.Parse(text)
}
