package infra_test

import (
	"go/ast"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stackusage/internal/bicep"
	"stackusage/shared/forward"
	"stackusage/shared/hourlog"
	"stackusage/shared/status"
)

// logLine is a line that the app writes: the names of its fields, and whether
// it is written at level info or above.
type logLine struct {
	fields []string
	shown  bool
}

// logLines are the lines that the packages of the app write, by their message.
func logLines(t testing.TB) map[string]logLine {
	t.Helper()
	lines := map[string]logLine{}
	for _, dir := range []string{"handlers", "shared"} {
		err := filepath.WalkDir(filepath.Join("..", dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			name, err := filepath.Rel("..", file)
			if err != nil {
				return err
			}
			ast.Inspect(goFile(t, filepath.ToSlash(name)), func(n ast.Node) bool {
				if message, line := logged(n); message != "" {
					lines[message] = line
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

// logged reads a call of a logger.
func logged(n ast.Node) (message string, line logLine) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", line
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Log", "DebugContext", "InfoContext", "WarnContext", "ErrorContext"}, fn.Sel.Name) {
		return "", line
	}
	line = logLine{fields: []string{"time", "level", "function", "invocation"}, shown: fn.Sel.Name != "DebugContext"}
	for _, arg := range call.Args {
		switch a := arg.(type) {
		case *ast.BasicLit:
			if message == "" {
				message, _ = strconv.Unquote(a.Value)
			}
		case *ast.CallExpr:
			attr, isAttr := a.Fun.(*ast.SelectorExpr)
			if !isAttr || len(a.Args) == 0 {
				continue
			}
			if pkg, ok := attr.X.(*ast.Ident); ok && pkg.Name == "slog" {
				if key, ok := a.Args[0].(*ast.BasicLit); ok {
					text, _ := strconv.Unquote(key.Value)
					line.fields = append(line.fields, text)
				}
			}
		}
	}
	return message, line
}

// values that fields have, where a rule asks for one.
var values = map[string][]string{
	"verdict": {string(hourlog.Accepted), string(hourlog.Duplicate), string(hourlog.Conflict), string(hourlog.Rejected)},
	"kind": {string(forward.Declined), string(forward.Credentials), string(forward.Busy), string(forward.Unknown),
		string(forward.Endpoint), string(forward.Unreadable)},
	"reason": {"message: "},
}

var (
	ofMessage = regexp.MustCompile(`msg == '([^']+)'`)
	ofRule    = regexp.MustCompile(`\brule\.(\w+)`)
	ofField   = regexp.MustCompile(`\be\.(\w+)`)
	compared  = regexp.MustCompile(`e\.(\w+)\) (?:==|in|startswith) \(?('[^']*'(?:, '[^']*')*)`)
	windows   = []string{"PT5M", "PT10M", "PT15M", "PT30M", "PT45M", "PT1H", "PT2H", "PT3H", "PT4H", "PT5H", "PT6H", "P1D", "P2D"}
	minutes   = []int{5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880} // of windows
	mustAlert = []string{"hours-missing", "conflict", "quarantine-growing", "day-overdue", "commerce-refusing", "credentials-refused", "poison-message", "sweep-silent"}
	entry     = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|")
)

func TestAlerts(t *testing.T) {
	lines := logLines(t)
	_, section, _ := strings.Cut(read(t, "docs/operations.md"), "\n## Alerts\n")
	section, _, _ = strings.Cut(section, "\n## ")
	entries := map[string]bool{}
	for _, m := range entry.FindAllStringSubmatch(section, -1) {
		entries[m[1]] = true
	}
	const rules, silence = "modules/alert-rules.bicep", "modules/alert-rules-silence.bicep"
	holds(t, func(t testing.TB, all templates) (problems []string) {
		var names []string
		fires := map[string]bool{} // by code of the status
		for _, rule := range append(all.value(t, rules, "rules").Named(), all.value(t, silence, "silenceRules").Named()...) {
			text := func(key string) string {
				value, ok := bicep.Property(rule, key).Value()
				if !ok {
					t.Fatalf("a rule has no %s", key)
				}
				return value
			}
			name := text("name")
			names = append(names, name)
			if !entries[name] {
				problems = append(problems, "docs/operations.md has no entry for alert "+name)
			}
			if severity := bicep.Property(rule, "severity").Text(); severity != "1" && severity != "2" {
				problems = append(problems, name+": severity "+severity+" is none of ours")
			}
			window, often := slices.Index(windows, text("windowSize")), slices.Index(windows, text("evaluationFrequency"))
			if window < 0 || often < 0 {
				problems = append(problems, name+": no window of alert rules")
			} else if minutes[window] < 2*minutes[often] {
				problems = append(problems, name+": a line that comes late falls between two windows")
			}
			for _, m := range ofRule.FindAllStringSubmatch(all["modules/alerts.bicep"].Root.Text(), -1) {
				if bicep.Property(rule, m[1]) == nil {
					problems = append(problems, name+" has no "+m[1]+", which alerts.bicep reads")
				}
			}
			codes := bicep.Strings(bicep.Property(rule, "findings"))
			if len(codes) == 0 {
				problems = append(problems, name+" names no finding of the status")
			}
			for _, code := range codes {
				fires[code] = true
			}
			if name == "sweep-silent" {
				problems = append(problems, overNothing(text("query"), text("windowSize"))...)
			}
			for _, problem := range query(lines, text("query")) {
				problems = append(problems, name+": "+problem)
			}
		}
		for _, name := range mustAlert {
			if !slices.Contains(names, name) {
				problems = append(problems, "no alert "+name)
			}
		}
		if len(entries) != len(names) {
			problems = append(problems, "docs/operations.md has entries of alerts that are not there")
		}
		return append(append(problems, conditions(fires)...), placed(all)...)
	},
		mutant{"a code that the status has not got", edit{rules, "['DayOverdue']", "['DayLate']"}, "the status has no finding DayLate"},
		mutant{"a condition that no rule names", edit{rules, "'RowsUndecided', ", ""}, "no alert fires for RowsUndecided"},
		mutant{"a rule without a condition", edit{rules, "['HourConflict']", "[]"}, "conflict names no finding"},
		mutant{"no row where there is no line", edit{silence, "runs = count()", "runs = count() by bin(TimeGenerated, 1h)"}, "sweep-silent finds nothing over an empty table"},
		mutant{"a count that is never zero", edit{silence, "where runs == 0", "where runs > 0"}, "sweep-silent finds nothing over an empty table"},
		mutant{"another time than the status has", edit{silence, "windowSize: 'PT30M'\n    evaluationFrequency: 'PT15M'\n    findings: ['SweepSilent']", "windowSize: 'PT1H'\n    evaluationFrequency: 'PT15M'\n    findings: ['SweepSilent']"}, "sweep-silent looks back PT1H"},
		mutant{"a message that nobody writes", edit{rules, "'day overdue'", "'day is overdue'"}, "nothing writes \"day is overdue\""},
		mutant{"a field that the line has not got", edit{rules, "max(todatetime(e.deadline))", "max(todatetime(e.due))"}, "\"day overdue\" has no field due"},
		mutant{"a value that the field never has", edit{rules, "== 'conflict'", "== 'conflicts'"}, "verdict is never conflicts"},
		mutant{"a rule without an entry", edit{rules, "name: 'conflict'", "name: 'conflicts'"}, "no entry for alert conflicts"},
		mutant{"a bracket too few", edit{rules, "sum(tolong(e.quarantined))", "sum(tolong(e.quarantined)"}, "brackets"},
		mutant{"a window that does not exist", edit{rules, "windowSize: 'P1D'", "windowSize: 'P7D'"}, "no window of alert rules"},
		mutant{"a property that no rule has", edit{"modules/alerts.bicep", "windowSize: rule.windowSize", "windowSize: rule.window"}, "has no window, which"},
		mutant{"a severity", edit{rules, "severity: 1", "severity: 9"}, "severity 9"},
		mutant{"windows that leave a gap", edit{silence, "windowSize: 'PT6H'", "windowSize: 'PT1H'"}, "hours-missing: a line that comes late"},
		mutant{"a query that Azure tries too early", edit{"modules/alerts.bicep", "skipQueryValidation: true", "skipQueryValidation: false"}, "a first deployment fails"},
		mutant{"cloudIds that stay a word", edit{"modules/alerts.bicep", "'UNWATCHED'", "'UNWATCH'"}, "UNWATCHED is never replaced"},
	)
}

// conditions compares the codes that rules fire for with those of the status: each has a
// rule, or a reason why it has none.
func conditions(fires map[string]bool) (problems []string) {
	known := map[string]bool{}
	for _, c := range status.Conditions() {
		code := string(c.Code)
		known[code] = true
		if fires[code] == (c.NoAlert != "") {
			problems = append(problems, map[bool]string{false: "no alert fires for " + code + ", and the status gives no reason",
				true: "an alert fires for " + code + ", and the status gives a reason why none does"}[fires[code]])
		}
	}
	for code := range fires {
		if !known[code] {
			problems = append(problems, "the status has no finding "+code)
		}
	}
	return problems
}

// overNothing checks the rule that has to fire where there is no line: summarize without
// by gives one row, of zeros, for an empty table, and the row must pass what follows.
func overNothing(kql, window string) (problems []string) {
	if steps := strings.Split(strings.TrimSpace(kql), "\n"); !slices.Equal(steps, []string{"lines", "| where msg == 'sweep ended'", "| summarize runs = count()", "| where runs == 0"}) {
		problems = append(problems, "sweep-silent finds nothing over an empty table")
	}
	if window != "PT30M" {
		problems = append(problems, "sweep-silent looks back "+window+", and the status 30 minutes")
	}
	return problems
}

// query checks one query against the lines that are written.
func query(lines map[string]logLine, kql string) (problems []string) {
	for _, pair := range []string{"()", "[]", "''"} {
		if open, shut := strings.Count(kql, pair[:1]), strings.Count(kql, pair[1:]); open != shut || pair == "''" && open%2 != 0 {
			problems = append(problems, "brackets "+pair+" do not match")
		}
	}
	at := ofMessage.FindAllStringSubmatchIndex(kql, -1)
	if len(at) == 0 {
		problems = append(problems, "looks for no message")
	}
	for i, m := range at {
		message, end := kql[m[2]:m[3]], len(kql)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		line, written := lines[message]
		if !written || !line.shown {
			problems = append(problems, "nothing writes "+strconv.Quote(message)+" at level info or above")
			continue
		}
		for _, f := range ofField.FindAllStringSubmatch(kql[m[1]:end], -1) {
			if !slices.Contains(line.fields, f[1]) {
				problems = append(problems, strconv.Quote(message)+" has no field "+f[1])
			}
		}
	}
	for _, m := range compared.FindAllStringSubmatch(kql, -1) {
		for value := range strings.SplitSeq(m[2], ", ") {
			if !slices.Contains(values[m[1]], strings.Trim(value, "'")) {
				problems = append(problems, m[1]+" is never "+strings.Trim(value, "'"))
			}
		}
	}
	return problems
}

// placed checks that the words which queries leave open are filled in.
func placed(all templates) (problems []string) {
	text := all["modules/alerts.bicep"].Root.Text()
	for _, word := range []string{"UNWATCHED", "QUARANTINE"} {
		if !strings.Contains(text, "'"+word+"'") {
			problems = append(problems, word+" is never replaced in "+path.Base(all["modules/alerts.bicep"].Path))
		}
	}
	for d, file := range all.resources("Microsoft.Insights/scheduledQueryRules") {
		if skip := bicep.Find(bicep.Body(d.Value), "properties", "skipQueryValidation"); skip == nil || skip.Text() != "true" {
			problems = append(problems, file+": a first deployment fails, since its workspace has no AppTraces yet")
		}
	}
	return problems
}

// The rule of messages that cannot be read looks for how their errors begin.
func TestUnreadableMessagesAreNamedSo(t *testing.T) {
	if want := `return "` + values["reason"][0] + `" + b.Reason.Error()`; !strings.Contains(read(t, "shared/queue/queue.go"), want) {
		t.Errorf("shared/queue/queue.go has no %s", want)
	}
}
