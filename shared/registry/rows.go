package registry

import (
	"fmt"
	"strings"
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// numbered is a row's key; the first of its day has no number.
func numbered(key string, number int) string {
	if number == 0 {
		return key
	}
	return fmt.Sprintf("%s_%04d", key, number+1)
}

// splitNumber reads what numbered wrote: the key's last parts.
func splitNumber(text string) (day string, number int, err error) {
	day, n, ok := strings.Cut(text, "_")
	if ok {
		if _, err = fmt.Sscanf(n, "%04d", &number); err != nil || number < 2 || numbered(day, number-1) != text {
			return "", 0, fmt.Errorf("%q is not <day>_<number>", text)
		}
		number--
	}
	return day, number, nil
}

func registrationProps(r registration.Registration) table.Props {
	props := table.Props{
		"name": r.Name, "subscriptionId": r.SubscriptionID, "subscriptionKind": string(r.SubscriptionKind), "cloud": r.Cloud,
		"stackKind": string(r.StackKind), "billingModel": string(r.BillingModel), "usageReportingEnabled": !r.ReportingOff,
		"region": r.Region, "start": r.Start.UTC(),
	}
	if !r.End.IsZero() {
		props["end"] = r.End.UTC()
	}
	if r.NoHoursExpected {
		props["expectsHours"] = false
	}
	if r.DeliveredEvery != 0 {
		props["deliveredEveryDays"] = int64(r.DeliveredEvery)
	}
	if r.Unwatched {
		props["watched"] = false
	}
	return noted(props, r.Note)
}

func infrastructureProps(e registration.InfrastructureEntry) table.Props {
	return noted(table.Props{"subscriptions": strings.Join(e.Subscriptions, ","), "confirmed": e.Confirmed, "against": strings.Join(e.Against, ",")}, e.Note)
}

func mappingProps(m registration.Mapping) table.Props {
	return noted(table.Props{"subscriptionId": m.SubscriptionID}, m.Note)
}

// noted adds who and why, where they are said.
func noted(props table.Props, n registration.Note) table.Props {
	for name, text := range map[string]string{"by": n.By, "reason": n.Reason} {
		if text != "" {
			props[name] = text
		}
	}
	if !n.At.IsZero() {
		props["at"] = n.At.UTC()
	}
	return props
}

// readEntry adds a row to its history.
func readEntry(history *registration.History, row table.Row) (err error) {
	kind, rest, _ := strings.Cut(row.Key, "_")
	switch kind + "_" {
	case registrationPrefix:
		err = readRegistration(history, row, rest)
	case tenantPrefix:
		m := registration.Mapping{CloudID: row.Partition, Note: noteOf(row), SubscriptionID: text(row, "subscriptionId")}
		m.TenantID, rest, _ = strings.Cut(rest, "_")
		if m.EffectiveDay, m.Number, err = splitNumber(rest); err == nil {
			err = m.Check()
		}
		history.Tenants = append(history.Tenants, m)
	case infrastructurePrefix:
		e := registration.InfrastructureEntry{CloudID: row.Partition, Note: noteOf(row), Subscriptions: splitList(text(row, "subscriptions")), Against: splitList(text(row, "against"))}
		e.Confirmed, _ = row.Props["confirmed"].(bool)
		if e.EffectiveDay, e.Number, err = splitNumber(rest); err == nil {
			err = e.Check()
		}
		history.Infrastructure = append(history.Infrastructure, e)
	case providerPrefix:
		history.Providers = append(history.Providers, rest)
	case changePrefix:
		var n int
		_, err = fmt.Sscanf(rest, "%06d", &n)
		history.Version = max(history.Version, n)
	}
	if err != nil {
		return fmt.Errorf("row %s: %w", row.Key, err)
	}
	return nil
}

func readRegistration(history *registration.History, row table.Row, rest string) (err error) {
	when := func(column string) time.Time { t, _ := row.Props[column].(time.Time); return t }
	r := registration.Registration{
		CloudID: row.Partition, Name: text(row, "name"), Note: noteOf(row), SubscriptionID: text(row, "subscriptionId"),
		SubscriptionKind: registration.SubscriptionKind(text(row, "subscriptionKind")), Cloud: text(row, "cloud"),
		StackKind: registration.StackKind(text(row, "stackKind")), BillingModel: registration.BillingModel(text(row, "billingModel")),
		Region: text(row, "region"), Start: when("start"), End: when("end"),
	}
	if enabled, said := row.Props["usageReportingEnabled"].(bool); said {
		r.ReportingOff = !enabled
	}
	if expects, said := row.Props["expectsHours"].(bool); said {
		r.NoHoursExpected = !expects
	}
	if days, said := row.Props["deliveredEveryDays"].(int64); said {
		r.DeliveredEvery = int(days)
	}
	if watched, said := row.Props["watched"].(bool); said {
		r.Unwatched = !watched
	}
	if r.EffectiveDay, r.Number, err = splitNumber(rest); err == nil {
		err = r.Check()
	}
	history.Registrations = append(history.Registrations, r.Filled())
	return err
}

func text(row table.Row, column string) string {
	s, _ := row.Props[column].(string)
	return s
}

func noteOf(row table.Row) registration.Note {
	n := registration.Note{By: text(row, "by"), Reason: text(row, "reason")}
	n.At, _ = row.Props["at"].(time.Time)
	change, _ := row.Props["change"].(int64)
	n.Change = int(change)
	return n
}

// splitList reads a comma separated list; none is empty.
func splitList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
