package external

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// query is one of docs/audit.md: a question, and the line of the Azure CLI that answers it.
type query struct{ question, line string }

// login is what a line has in place of a connection string.
const login = "--auth-mode login --account-name $ACCOUNT"

func queries(t *testing.T) (all []query) {
	t.Helper()
	page, err := os.ReadFile("../../docs/audit.md")
	ok(t, err)
	_, section, found := strings.Cut(string(page), "\n## Query the tables without the tool\n")
	_, block, opened := strings.Cut(section, "\n```bash\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !found || !opened || !closed {
		t.Fatal("docs/audit.md has no block of queries")
	}
	for part := range strings.SplitSeq(block, "\n\n") {
		question, line, found := strings.Cut(part, "\n")
		if !found || !strings.HasPrefix(question, "# ") || !strings.HasPrefix(line, "az storage entity query "+login+" ") {
			t.Errorf("not a question and a query:\n%s", part)
		}
		all = append(all, query{question, line})
	}
	return all
}

// TestTableQueries has Bash and the Azure CLI run each line of docs/audit.md, as it is
// but for the account, on tables that have an answer to it.
func TestTableQueries(t *testing.T) {
	if os.Getenv("STACKUSAGE_EXTERNAL") == "" {
		t.Skip("make check-external runs this, with Python 3.12 or later")
	}
	open := queries(t)
	if len(open) < 20 {
		t.Fatalf("docs/audit.md has %d queries", len(open))
	}
	dir, err := environment(t.Context(), "azurecli")
	ok(t, err)
	s := threeStacks(t)
	env := append(s.environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "AZURE_CONFIG_DIR="+t.TempDir(), "AZURE_CORE_COLLECT_TELEMETRY=no")
	ask := func() {
		t.Helper()
		var left []query
		for _, q := range open {
			cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.Replace(q.line, login, `--connection-string "$UsageStorage"`, 1))
			cmd.Env = env
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			var answer struct{ Items []map[string]any }
			if err == nil {
				err = json.Unmarshal(out, &answer)
			}
			switch {
			case err != nil:
				t.Errorf("%s\n%s\n%v\n%s%s", q.question, q.line, err, out, stderr.String())
			case len(answer.Items) == 0:
				left = append(left, q)
			default:
				t.Logf("%s %d rows", q.question, len(answer.Items))
			}
		}
		open = left
	}
	ask()
	s.decideAll(t)
	ask()
	s.decides(t, "batch", "settle", "--registration", "munich", "--day", "2024-02-27", "--revision", "2", "--batch", "1", "--as", "declined")
	s.until(t, `"state":"done"`, "batch", "list", "--all", "--registration", "munich", "--day", "2024-02-27", "--revision", "2")
	ask()
	for _, q := range open {
		t.Errorf("nothing answers %s\n%s", q.question, q.line)
	}
}

// decideAll makes what the scenario leaves out.
func (s *site) decideAll(t *testing.T) {
	t.Helper()
	s.decides(t, "hour", "accept-missing", "--registration", "munich", "--from", "2024-03-01T03:00Z", "--to", "2024-03-01T04:00Z")
	s.decides(t, "day", "settle", "--registration", "hamburg", "--day", "2024-02-28")
	s.until(t, "waivedLines", "day", "list", "--registration", "hamburg", "--from", "2024-02-28", "--to", "2024-02-28")
	s.failTwice(t, "munich", "2024-02-28")
	s.moveTenants(t, "munich", "2024-02-29T06:00Z")
	s.decides(t, "finding", "confirm", "--registration", "munich", "--day", "2024-02-29")
	// Commerce refuses the correction of an excluded hour.
	s.post(t, s.commerce+"/_devstack/faults", `{"next":1000000,"status":400}`)
	excluded := s.hourBlob(t, "munich", "2024-02-27T05:00Z")
	s.decides(t, "hour", "exclude", "--registration", "munich", "--hour", "2024-02-27T05:00Z", "--sha16", excluded.SHA16)
	s.decides(t, "day", "restate", "--registration", "munich", "--day", "2024-02-27")
	s.until(t, "declinedSince", "batch", "list", "--registration", "munich")
}
