package commerce

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"stackusage/internal/devstack/commerce/rating"
	"stackusage/internal/devstack/commerce/record"
	"stackusage/internal/devstack/loopback"
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

// ask reads the filters that questions about the bill share, and returns the
// parameters and the records that they let through, by billing subscription, usage
// day and id.
func (s *Server) ask(r *http.Request, more ...string) (map[string]string, []*record.Record, error) {
	query, err := params(r, append(more, "subscription", "month")...)
	if err != nil {
		return nil, nil, err
	}
	subscription, month := strings.ToLower(query["subscription"]), query["month"]
	if subscription != "" && !record.IsGUID(subscription) {
		return nil, nil, invalidQuery("subscription must be a GUID or absent")
	}
	if _, err := time.Parse("2006-01", month); month != "" && err != nil {
		return nil, nil, invalidQuery("month must be a month like 2019-12 or absent")
	}
	records := s.store.records(func(r *record.Record) bool {
		return (subscription == "" || r.BillingSubscriptionID == subscription) && strings.HasPrefix(r.UsageDate, month)
	})
	slices.SortStableFunc(records, func(a, b *record.Record) int {
		return strings.Compare(a.BillingSubscriptionID, b.BillingSubscriptionID)
	})
	query["subscription"] = subscription
	return query, records, nil
}

func (s *Server) bill(w http.ResponseWriter, r *http.Request) error {
	query, records, err := s.ask(r, "format")
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", "json", "csv"}, query["format"]) {
		return invalidQuery("format must be json, csv or absent")
	}
	bill, err := s.prices.Bill(records)
	switch {
	case err != nil:
		return err
	case query["format"] == "csv":
		return writeCSV(w, func(out *csv.Writer) { writeBill(out, bill) })
	}
	loopback.JSON(w, http.StatusOK, bill)
	return nil
}

// writeCSV answers with what write writes, by RFC 4180.
func writeCSV(w http.ResponseWriter, write func(*csv.Writer)) error {
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	out.UseCRLF = true
	write(out)
	out.Flush()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Write(text.Bytes())
	return out.Error()
}

// writeBill writes a "line" row for each bill line, a "total" row below each
// statement and one "grandTotal" row.
func writeBill(out *csv.Writer, bill *rating.Invoice) {
	out.Write(billColumns)
	for _, st := range bill.Statements {
		for _, l := range st.Lines {
			out.Write([]string{"line", l.Month, l.Subscription, l.MeterID, l.MeterName, l.Unit,
				l.MeterClass, l.BillingModel, l.Quantity, l.Rate, l.Amount, l.Currency, l.Note})
		}
		out.Write([]string{"total", st.Month, st.Subscription, "", "", "", "", "", "", "", st.Total, st.Currency, ""})
	}
	out.Write([]string{"grandTotal", "", "", "", "", "", "", "", "", "", bill.Total, bill.Currency, bill.Rounding})
}

func (s *Server) usageDetails(w http.ResponseWriter, r *http.Request) error {
	_, records, err := s.ask(r)
	if err != nil {
		return err
	}
	bill, err := s.prices.Bill(records)
	if err != nil {
		return err
	}
	return writeCSV(w, func(out *csv.Writer) {
		writeStatements(out, bill)
		s.writeDaily(out, records)
	})
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
func (s *Server) writeDaily(out *csv.Writer, records []*record.Record) {
	subscription := ""
	for _, rec := range records {
		if rec.BillingSubscriptionID != subscription {
			subscription = rec.BillingSubscriptionID
			out.Write([]string{"Daily Usage", subscription})
			out.Write(dailyColumns)
		}
		meter := s.prices.Rate(rec)
		group, service := resourceParts(rec.ResourceURI)
		ids := rec.RecordID
		if rec.Corrects != "" {
			ids += " corrects " + rec.Corrects
		}
		if rec.CarriedFrom != "" {
			ids += " carried from " + rec.CarriedFrom + ": " + rec.Reason
		}
		out.Write([]string{rec.UsageDate, meterCategory, meter.MeterID, rating.SubCategories[meter.MeterID], meter.MeterName,
			meterRegion, meter.Unit, rec.Quantity, rec.Location, service,
			group, rec.ResourceURI, rec.Tags, string(rec.AdditionalInfo), fmt.Sprintf("%s/%d", rec.Kind, rec.Revision), ids})
	}
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

func (s *Server) dailyCosts(w http.ResponseWriter, r *http.Request) error {
	return monthly(s, w, r, s.prices.DailyCosts)
}

func (s *Server) resourceCosts(w http.ResponseWriter, r *http.Request) error {
	return monthly(s, w, r, s.prices.ResourceCosts)
}

// monthly answers what a month of one billing subscription costs.
func monthly[T any](s *Server, w http.ResponseWriter, r *http.Request, costs func(records []*record.Record, subscription, month string) (T, error)) error {
	query, records, err := s.ask(r)
	if err != nil {
		return err
	}
	if query["subscription"] == "" || query["month"] == "" {
		return invalidQuery("subscription and month must be given")
	}
	out, err := costs(records, query["subscription"], query["month"])
	if err != nil {
		return err
	}
	loopback.JSON(w, http.StatusOK, out)
	return nil
}
