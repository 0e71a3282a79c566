// Package results reads what a run of devstack leaves, writes it to files, and prints it.
package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/loopback"
	"stackusage/shared/table"
)

// Quarantined reads which rows of which hour in the bill were rejected: line numbers by
// hour, 2019121000. Rows of a blob that is excluded (a duplicate, a conflict) are left out.
func Quarantined(ctx context.Context, tables table.Store) (map[string]map[int]bool, error) {
	counts := map[string]bool{}
	for row, err := range tables.List(ctx, table.UsageHours, "", "", "") {
		if err != nil {
			return nil, err
		}
		if sha16, pointer := row.Props["acceptedFile"].(string); pointer {
			counts[row.Partition+"_"+row.Key+"_"+sha16] = true
		}
	}
	lines := map[string]map[int]bool{}
	for row, err := range tables.List(ctx, table.Quarantine, "", "", "") {
		if err != nil {
			return nil, err
		}
		if blob := row.Key[:strings.LastIndexByte(row.Key, '_')]; !counts[row.Partition+"_"+blob] {
			continue
		}
		day := row.Partition[strings.LastIndexByte(row.Partition, '_')+1:]
		hour := day + row.Key[:2]
		if lines[hour] == nil {
			lines[hour] = map[int]bool{}
		}
		n, _ := row.Props["line"].(int64)
		lines[hour][int(n)] = true
	}
	return lines, nil
}

// Write puts the results of a run into a folder: the balance sheet, what the commerce of a
// URL has, and each table.
func Write(ctx context.Context, folder, commerce string, tables table.Store, sheet balance.Sheet) error {
	text, err := json.MarshalIndent(sheet, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "balance.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	for name, path := range map[string]string{"commerce-records.ndjson": "/v1/records.ndjson", "usage-details.csv": "/v1/usage-details.csv"} {
		if err := save(ctx, commerce+path, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	dir := filepath.Join(folder, "tables")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range table.Names() {
		if err := dump(ctx, tables, name, filepath.Join(dir, name+".ndjson")); err != nil {
			return fmt.Errorf("dump table %s: %w", name, err)
		}
	}
	return nil
}

func save(ctx context.Context, url, path string) error {
	body, err := loopback.Ask(ctx, http.MethodGet, url, "")
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

func dump(ctx context.Context, tables table.Store, name, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(f)
	enc.SetEscapeHTML(false)
	for row, listErr := range tables.List(ctx, name, "", "", "") {
		if err = listErr; err != nil {
			break
		}
		out := maps.Clone(row.Props)
		out["PartitionKey"], out["RowKey"] = row.Partition, row.Key
		if err = enc.Encode(out); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}
