package commerce

import (
	"context"
	"database/sql"

	"stackusage/internal/devstack/commerce/rating"
)

// entry is an accepted record as it is rated. raw is nil unless it was asked for.
type entry struct {
	rating.Entry
	raw []byte
}

// entryFilter narrows what is billed; empty fields let everything through.
type entryFilter struct {
	subscription string
	month        string // 2019-12
}

// eachEntry calls f with every accepted record, by billing subscription, usage day and id.
func eachEntry(ctx context.Context, tx *sql.Tx, only entryFilter, withRaw bool, f func(entry) error) error {
	raw := "NULL"
	if withRaw {
		raw = "raw"
	}
	rows, err := tx.QueryContext(ctx, `SELECT billing_subscription_id, usage_date, meter_id, commerce_meter_id,
		meter_name, unit, meter_class, billing_model, quantity, `+raw+` FROM records
		WHERE (?1 = '' OR billing_subscription_id = ?1) AND (?2 = '' OR substr(usage_date, 1, 7) = ?2)
		ORDER BY billing_subscription_id, usage_date, record_id`, only.subscription, only.month)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.Subscription, &e.UsageDate, &e.MeterID, &e.CommerceMeterID,
			&e.MeterName, &e.Unit, &e.MeterClass, &e.BillingModel, &e.Quantity, &e.raw); err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rated returns what a question is about, for rating.
func (q question) rated(ctx context.Context) rating.Entries {
	return func(f func(rating.Entry) error) error {
		return eachEntry(ctx, q.tx, q.only, false, func(e entry) error { return f(e.Entry) })
	}
}
