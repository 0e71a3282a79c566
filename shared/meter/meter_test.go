package meter_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/shared/meter"
)

func builtIn(t *testing.T) *meter.Catalogue {
	t.Helper()
	c, err := meter.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rows reads a CSV file as maps by column.
func rows(t *testing.T, text []byte) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, r := range all[1:] {
		m := map[string]string{}
		for i, column := range all[0] {
			m[column] = r[i]
		}
		out = append(out, m)
	}
	return out
}

// reference reads a list of facts that is kept beside the recordings. Without
// it a test skips, except where it must be: in CI.
func reference(t *testing.T, name string) []byte {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	b, err := os.ReadFile(filepath.Join(dir, "..", "reference", name))
	if err == nil {
		return b
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("reference %s must be there in CI; set STACKUSAGE_RECORDINGS: %v", name, err)
	}
	t.Skipf("reference %s is not here; set STACKUSAGE_RECORDINGS to the folder beside it", name)
	return nil
}

func TestTheBuiltInCatalogue(t *testing.T) {
	c := builtIn(t)
	text, err := os.ReadFile("meters.csv")
	if err != nil {
		t.Fatal(err)
	}
	list := rows(t, text)
	if c.Len() != 85 || len(list) != c.Len() {
		t.Errorf("%d meters from %d lines, want 85", c.Len(), len(list))
	}
	seen := map[string]bool{}
	for _, r := range list {
		m, ok := c.Find(r["meter_id"])
		if !ok || m.ID != r["meter_id"] || m.ID != strings.ToLower(m.ID) || seen[m.ID] {
			t.Errorf("%s: found %t as %q, seen before %t", r["meter_id"], ok, m.ID, seen[m.ID])
		}
		seen[m.ID] = true
		if m.Name == "" || m.Service == "" || m.Class != meter.Full && m.Class != meter.Informational {
			t.Errorf("%+v", m)
		}
		for _, id := range []string{m.CommerceID, m.AdminCommerceID} {
			if id != "" && (len(id) != 36 || id != strings.ToLower(id)) {
				t.Errorf("%s: commerce meter %q is not a GUID in lower case", m.ID, id)
			}
		}
	}
}

func TestTheCatalogueAgreesWithTheReference(t *testing.T) {
	c := builtIn(t)
	deprecated := 0
	for _, want := range rows(t, reference(t, "meters.csv")) {
		if strings.HasPrefix(want["meter_id"], "(") {
			continue // custom worker tiers have no fixed id
		}
		m, ok := c.Find(want["meter_id"])
		if !ok {
			t.Errorf("%s %s is missing", want["meter_id"], want["name"])
			continue
		}
		unit := want["unit"]
		if strings.HasPrefix(unit, "(blank") {
			unit = ""
		}
		note, isDeprecated := strings.CutPrefix(want["note"], "DEPRECATED; ")
		note = strings.TrimSuffix(note, " (observed)")
		if m.Name != want["name"] || m.Unit != unit || m.Service != want["service"] || m.Note != note {
			t.Errorf("%s: %+v\nwant %v", m.ID, m, want)
		}
		if isDeprecated && !m.Deprecated {
			t.Errorf("%s %s is deprecated", m.ID, m.Name)
		}
		if m.Deprecated {
			deprecated++
		}
	}
	if deprecated < 20 {
		t.Errorf("%d deprecated meters", deprecated)
	}
}

func TestTheCatalogueAgreesWithCommercesMeters(t *testing.T) {
	c := builtIn(t)
	for _, want := range rows(t, reference(t, "commerce-meters.csv")) {
		if want["local_meter_id"] == "" {
			continue
		}
		m, ok := c.Find(want["local_meter_id"])
		if !ok {
			t.Errorf("%s is missing", want["local_meter_id"])
			continue
		}
		got := m.CommerceID
		if strings.Contains(want["name"], "Admin") {
			got = m.AdminCommerceID
		}
		if got != want["commerce_meter_id"] {
			t.Errorf("%s %s is commerce's %s, want %s", m.ID, m.Name, got, want["commerce_meter_id"])
		}
	}
}

func TestCommerceMeters(t *testing.T) {
	tests := []struct{ name, id, commerce, admin string }{
		{"Windows VM", "9cd92d4c-bafd-4492-b278-bedc2de8232a", "fb8c0713-ea20-40bf-901f-5560fd3f6330", ""},
		{"base VM: the same on both sides", "fab6eb84-500b-4a09-a8ca-7358f8bbaea5", "fab6eb84-500b-4a09-a8ca-7358f8bbaea5", ""},
		{"block blobs: another for infrastructure", "09f8879e-87e9-4305-a572-4b7be209f857",
			"8a913f38-33b4-4772-9488-e89522fc09e5", "8767aeb3-6909-4db2-9927-3f51e9a9085e"},
		{"app service", "190c935e-9ada-48ff-9ab8-56ea1cf9adaa", "190c935e-9ada-48ff-9ab8-56ea1cf9adaa", ""},
		{"not public", "b5c15376-6c94-4fdd-b655-1a69d138aca3", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, ok := builtIn(t).Find(tt.id)
			if !ok || m.CommerceID != tt.commerce || m.AdminCommerceID != tt.admin {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestChargingAVMOnlyOnce(t *testing.T) {
	for id, want := range map[string]meter.Class{
		"6dab500f-a4fd-49c4-956d-229bb9c8c793": meter.Informational, // comes beside one of the other two
		"fab6eb84-500b-4a09-a8ca-7358f8bbaea5": meter.Full,
		"9cd92d4c-bafd-4492-b278-bedc2de8232a": meter.Full,
	} {
		if m, _ := builtIn(t).Find(id); m.Class != want {
			t.Errorf("%s %s is %s, want %s", id, m.Name, m.Class, want)
		}
	}
}

func TestFindTakesEverySpelling(t *testing.T) {
	c := builtIn(t)
	for _, id := range []string{
		"f271a8a3-88c4-4d93-956a-063e1d2fa80b", "F271A8A3-88C4-4D93-956A-063E1D2FA80B",
		"F271A8A388C44D93956A063E1D2FA80B", "f271A8a388c44d93956a063e1d2fa80b",
	} {
		if m, ok := c.Find(id); !ok || m.Name != "Static IP Address Usage" || m.ID != "f271a8a3-88c4-4d93-956a-063e1d2fa80b" {
			t.Errorf("%s: %+v, %t", id, m, ok)
		}
	}
	for _, id := range []string{"", "-", "00000000-0000-0000-0000-000000000000", "f271a8a3"} {
		if m, ok := c.Find(id); ok || m != (meter.Meter{}) {
			t.Errorf("%q: found %+v", id, m)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "meter_id,name,unit,service,class,deprecated,commerce_meter_id,admin_commerce_meter_id,note\n"
	const good = "f271a8a3-88c4-4d93-956a-063e1d2fa80b,N,U,S,full,no,,,\n"
	if c, err := meter.Parse([]byte(head + good)); err != nil || c.Len() != 1 {
		t.Fatalf("a good catalogue: %v", err)
	}
	tests := []struct{ name, text, want string }{
		{"an empty file", "", "the first line must be"},
		{"a file without its first line", good, "the first line must be"},
		{"columns in another order", strings.Replace(head, "name,unit", "unit,name", 1) + good, "the first line must be"},
		{"a line with a column missing", head + "f271a8a3-88c4-4d93-956a-063e1d2fa80b,N\n", "wrong number of fields"},
		{"an id without dashes", head + strings.Replace(good, "-", "", 4), "line 2"},
		{"a class that only the rules give", head + strings.Replace(good, "full", "admin", 1), `class "admin": full or informational`},
		{"a word for deprecated", head + strings.Replace(good, ",no,", ",maybe,", 1), `deprecated "maybe": yes or no`},
		{"a meter that stands twice", head + good + strings.ToUpper(good[:36]) + good[36:], "line 3: meter f271a8a3-88c4-4d93-956a-063e1d2fa80b stands twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := meter.Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
