package commerce

import (
	"context"
	"database/sql"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stackusage/internal/devstack/commerce/rating"
	"stackusage/internal/devstack/commerce/record"
)

const (
	meterRegion   = "Azure Stack"
	meterCategory = "Azure Stack Hub" // as in the rate card of December 2019
)

var billColumns = []string{"row", "month", "billing_subscription_id", "meter_id", "meter_name", "unit",
	"meter_class", "billing_model", "quantity", "rate", "amount", "currency", "note"}

// The columns of the two sections of an Account Center usage file, version 2,
// in the documented order.
var (
	statementColumns = []string{"Billing Period", "Meter Category", "Meter Sub-Category", "Meter Name",
		"Meter Region", "SKU", "Unit", "Consumed Quantity", "Included Quantity", "Overage Quantity",
		"Within Commitment", "Currency", "Overage", "Commitment Rate", "Rate", "Value"}
	dailyColumns = []string{"Usage Date", "Meter Category", "Meter ID", "Meter Sub-Category", "Meter Name",
		"Meter Region", "Unit", "Consumed Quantity", "Resource Location", "Consumed Service",
		"Resource Group", "Instance ID", "Tags", "Additional Info", "Service Info 1", "Service Info 2"}
)

// billQuery reads the filters that the bill and the usage details share.
func billQuery(query map[string]string) (entryFilter, *problem) {
	only := entryFilter{subscription: strings.ToLower(query["subscription"]), month: query["month"]}
	if only.subscription != "" && !record.IsGUID(only.subscription) {
		return only, &problem{"InvalidQuery", "subscription must be a GUID or absent"}
	}
	if _, err := time.Parse("2006-01", only.month); only.month != "" && err != nil {
		return only, &problem{"InvalidQuery", "month must be a month like 2019-12 or absent"}
	}
	return only, nil
}

// snapshot is a transaction that sees one state of the file, whatever is taken
// meanwhile: the lines of a bill and the records under it must agree.
func (st *store) snapshot(ctx context.Context) (*sql.Tx, error) {
	return st.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
}

// question is what somebody asks about the bill.
type question struct {
	only   entryFilter
	format string
	tx     *sql.Tx // the state that is asked; rolled back by whoever got the question
}

// ask reads a question with the given parameters. When it cannot be asked, the
// request is answered, and there is no question.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, check func(q question) *problem, allowed ...string) (question, bool) {
	query, bad := params(r, allowed...)
	q := question{format: query["format"]}
	if bad == nil {
		q.only, bad = billQuery(query)
	}
	if bad == nil {
		bad = check(q)
	}
	if bad != nil {
		writeError(w, http.StatusBadRequest, bad.Code, bad.Message)
		return q, false
	}
	var err error
	if q.tx, err = s.store.snapshot(r.Context()); err != nil {
		s.internal(w, r, err)
		return q, false
	}
	return q, true
}

func (s *Server) bill(w http.ResponseWriter, r *http.Request) {
	q, ok := s.ask(w, r, func(q question) *problem {
		if q.format != "" && q.format != "json" && q.format != "csv" {
			return &problem{"InvalidQuery", "format must be json, csv or absent"}
		}
		return nil
	}, "format", "subscription", "month")
	if !ok {
		return
	}
	defer q.tx.Rollback()
	bill, err := s.prices.Bill(q.rated(r.Context()))
	if err != nil {
		s.internal(w, r, err)
		return
	}
	if q.format != "csv" {
		writeJSON(w, http.StatusOK, bill)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	s.finish(r, writeBillCSV(newCSV(w), bill))
}

// writeBillCSV writes a "line" row for each bill line, a "total" row below each
// statement and one "grandTotal" row.
func writeBillCSV(out *csv.Writer, bill *rating.Invoice) error {
	out.Write(billColumns)
	for _, st := range bill.Statements {
		for _, l := range st.Lines {
			out.Write([]string{"line", l.Month, l.Subscription, l.MeterID, l.MeterName, l.Unit,
				l.MeterClass, l.BillingModel, l.Quantity, l.Rate, l.Amount, l.Currency, l.Note})
		}
		out.Write([]string{"total", st.Month, st.Subscription, "", "", "", "", "", "", "", st.Total, st.Currency, ""})
	}
	out.Write([]string{"grandTotal", "", "", "", "", "", "", "", "", "", bill.Total, bill.Currency, bill.Rounding})
	out.Flush()
	return out.Error()
}

func newCSV(w http.ResponseWriter) *csv.Writer {
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180
	return out
}

func (s *Server) usageDetails(w http.ResponseWriter, r *http.Request) {
	q, ok := s.ask(w, r, func(question) *problem { return nil }, "subscription", "month")
	if !ok {
		return
	}
	defer q.tx.Rollback()
	bill, err := s.prices.Bill(q.rated(r.Context()))
	if err != nil {
		s.internal(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := newCSV(w)
	writeStatements(out, bill)
	s.finish(r, s.writeDaily(r.Context(), q.tx, out, q.only))
}

// writeStatements writes the first section of each subscription. The documented
// columns do not name the subscription, because such a file is downloaded for one; a
// title row does, so that a file over all of them can still be read.
func writeStatements(out *csv.Writer, bill *rating.Invoice) {
	subscription := ""
	for _, st := range bill.Statements {
		if st.Subscription != subscription {
			subscription = st.Subscription
			out.Write([]string{"Statement", subscription})
			out.Write(statementColumns)
		}
		for _, l := range st.Lines {
			out.Write([]string{billingPeriod(l.Month), meterCategory, rating.SubCategories[l.MeterID], l.MeterName,
				meterRegion, l.MeterID, l.Unit, l.Quantity, "0", l.Quantity,
				"0", l.Currency, l.Amount, "0", l.Rate, l.Amount})
		}
	}
}

// billingPeriod is the calendar month as its first and its last day.
func billingPeriod(month string) string {
	first, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return first.Format(time.DateOnly) + "/" + first.AddDate(0, 1, -1).Format(time.DateOnly)
}

// writeDaily writes the second section of each subscription: one row for each record,
// so that the rows of a meter add up to its statement lines. Service Info 1 is
// the kind and the revision, such as "correction/2"; Service Info 2 is the
// recordId, and for a correction the one it corrects behind it; of what was
// carried forward, the day of the usage and the reason.
func (s *Server) writeDaily(ctx context.Context, tx *sql.Tx, out *csv.Writer, only entryFilter) error {
	subscription := ""
	err := eachEntry(ctx, tx, only, true, func(e entry) error {
		if e.Subscription != subscription {
			subscription = e.Subscription
			out.Write([]string{"Daily Usage", subscription})
			out.Write(dailyColumns)
		}
		rec, bad := record.Parse(e.raw)
		if bad != nil {
			return fmt.Errorf("read stored record %s: %s", rec.RecordID, bad.Message)
		}
		meter := s.prices.Rate(e.Entry)
		group, service := resourceParts(rec.ResourceURI)
		ids := rec.RecordID
		if rec.Corrects != "" {
			ids += " corrects " + rec.Corrects
		}
		if rec.CarriedFrom != "" {
			ids += " carried from " + rec.CarriedFrom + ": " + rec.Reason
		}
		return out.Write([]string{rec.UsageDate, meterCategory, meter.MeterID, rating.SubCategories[meter.MeterID], meter.MeterName,
			meterRegion, meter.Unit, rec.Quantity, rec.Location, service,
			group, rec.ResourceURI, rec.Tags, string(rec.AdditionalInfo), fmt.Sprintf("%s/%d", rec.Kind, rec.Revision), ids})
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

// resourceParts finds the resource group and the resource provider in an ARM
// resource URI, as they are written there; what is not there is empty.
func resourceParts(uri string) (group, provider string) {
	segments := strings.Split(uri, "/")
	for i := 0; i+1 < len(segments); i++ {
		switch name, value := segments[i], segments[i+1]; {
		case group == "" && strings.EqualFold(name, "resourceGroups"):
			group = value
			i++
		case provider == "" && strings.EqualFold(name, "providers"):
			return group, value
		}
	}
	return group, provider
}

func (s *Server) dailyCosts(w http.ResponseWriter, r *http.Request) {
	q, ok := s.ask(w, r, func(q question) *problem {
		if q.only.subscription == "" || q.only.month == "" {
			return &problem{"InvalidQuery", "subscription and month must be given"}
		}
		return nil
	}, "subscription", "month")
	if !ok {
		return
	}
	defer q.tx.Rollback()
	costs, err := s.prices.DailyCosts(q.rated(r.Context()), q.only.subscription, q.only.month)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, costs)
}
