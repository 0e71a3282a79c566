package commerce

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	_ "modernc.org/sqlite" // the "sqlite" driver

	"stackusage/internal/devstack/commerce/record"
)

// schemaVersion is kept in the file's user_version. Zero is an empty file.
const schemaVersion = 1

// Quantities are TEXT because SQLite would turn a number into a float. raw is
// the record; the other columns repeat what it is looked up and rated by.
const schema = `
CREATE TABLE records (
	record_id               TEXT PRIMARY KEY,
	cloud_id                TEXT NOT NULL,
	usage_date              TEXT NOT NULL,
	billing_subscription_id TEXT NOT NULL,
	meter_id                TEXT NOT NULL,
	commerce_meter_id       TEXT NOT NULL,
	meter_name              TEXT NOT NULL,
	unit                    TEXT NOT NULL,
	meter_class             TEXT NOT NULL,
	billing_model           TEXT NOT NULL,
	quantity                TEXT NOT NULL,
	accepted_at             TEXT NOT NULL,
	sha256                  TEXT NOT NULL,
	batch_id                TEXT NOT NULL,
	raw                     BLOB NOT NULL
) STRICT;
CREATE INDEX by_cloud_day ON records (cloud_id, usage_date, record_id);
CREATE INDEX by_day ON records (usage_date, record_id);
CREATE INDEX by_subscription ON records (billing_subscription_id, usage_date, record_id);
`

// store is the SQLite file. Records are inserted and never changed.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	// synchronous=FULL: an Accepted that a power cut takes back would be
	// usage lost, because the sender does not send it again.
	options := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options.Encode())
	if err != nil {
		return nil, err
	}
	if err := migrate(db); err != nil {
		db.Close()
		return nil, err
	}
	return &store{db}, nil
}

func migrate(db *sql.DB) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var version int
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
	default:
		return fmt.Errorf("schema version %d is not %d", version, schemaVersion)
	}
	if _, err := tx.Exec(schema + fmt.Sprintf("PRAGMA user_version = %d", schemaVersion)); err != nil {
		return err
	}
	return tx.Commit()
}

func (st *store) close() error { return st.db.Close() }

// writer is one transaction that takes records. Nothing is kept before commit.
type writer struct {
	tx           *sql.Tx
	find, insert *sql.Stmt
	batchID      string
	acceptedAt   string
}

func (st *store) begin(ctx context.Context, batchID string, now time.Time) (*writer, error) {
	tx, err := st.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	w := &writer{tx: tx, batchID: batchID, acceptedAt: now.UTC().Format(time.RFC3339)}
	if w.find, err = tx.PrepareContext(ctx, `SELECT quantity, raw = ? FROM records WHERE record_id = ?`); err == nil {
		w.insert, err = tx.PrepareContext(ctx, `INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	}
	if err != nil {
		tx.Rollback()
		return nil, err
	}
	return w, nil
}

// known reports whether the record's id was taken before, with which quantity,
// and whether the bytes were the same.
func (w *writer) known(ctx context.Context, r *record.Record) (known, same bool, quantity string, err error) {
	err = w.find.QueryRowContext(ctx, r.Raw, r.RecordID).Scan(&quantity, &same)
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, "", nil
	}
	if err != nil {
		return false, false, "", fmt.Errorf("find record %s: %w", r.RecordID, err)
	}
	return true, same, quantity, nil
}

func (w *writer) take(ctx context.Context, r *record.Record) error {
	sum := sha256.Sum256(r.Raw)
	_, err := w.insert.ExecContext(ctx, r.RecordID, r.CloudID, r.UsageDate, r.BillingSubscriptionID,
		r.MeterID, r.CommerceMeterID, r.MeterName, r.Unit, r.MeterClass, r.BillingModel,
		r.Quantity, w.acceptedAt, hex.EncodeToString(sum[:]), w.batchID, r.Raw)
	if err != nil {
		return fmt.Errorf("insert record %s: %w", r.RecordID, err)
	}
	return nil
}

func (w *writer) commit() error   { return w.tx.Commit() }
func (w *writer) rollback() error { return w.tx.Rollback() }

// receipt is one accepted record in the read-back.
type receipt struct {
	RecordID   string `json:"recordId"`
	Quantity   string `json:"quantity"`
	AcceptedAt string `json:"acceptedAt"`
	SHA256     string `json:"sha256"`
}

// receipts returns those of some records of a usage day that were accepted, by id.
func (st *store) receipts(ctx context.Context, q query) ([]receipt, error) {
	find, err := st.db.PrepareContext(ctx, `SELECT quantity, accepted_at, sha256 FROM records WHERE record_id = ? AND cloud_id = ? AND usage_date = ?`)
	if err != nil {
		return nil, err
	}
	defer find.Close()
	out := []receipt{}
	for _, id := range q.RecordIDs {
		r := receipt{RecordID: id}
		err := find.QueryRowContext(ctx, id, q.CloudID, q.UsageDate).Scan(&r.Quantity, &r.AcceptedAt, &r.SHA256)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find record %s: %w", id, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// eachRaw calls f with the bytes of every accepted record, of one stack or of
// all (empty cloudID), by usage day and id. f must not keep raw.
func (st *store) eachRaw(ctx context.Context, cloudID string, f func(raw []byte) error) error {
	where, args := "", []any{}
	if cloudID != "" {
		where, args = "WHERE cloud_id = ?", []any{cloudID}
	}
	rows, err := st.db.QueryContext(ctx, `SELECT raw FROM records `+where+` ORDER BY usage_date, record_id`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		if err := f(raw); err != nil {
			return err
		}
	}
	return rows.Err()
}
