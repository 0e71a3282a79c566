package infra_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// azOptions are the options of the az commands that the pages name. az is not
// here to be asked.
var azOptions = map[string]string{
	"az login":             "",
	"az account set":       "--subscription",
	"az provider register": "--namespace --wait",
	"az bicep install":     "",
	"az bicep upgrade":     "",
	"az bicep build":       "--file --stdout",
	"az bicep lint":        "--file",

	"az account get-access-token": "--scope",
	"az ad signed-in-user show":   "",
	"az ad app create":            "--display-name --sign-in-audience --requested-access-token-version",
	"az ad app update":            "--id --identifier-uris --set",
	"az ad app delete":            "--id",
	"az ad app credential reset":  "--id --create-cert",
	"az ad sp create":             "--id",
	"az ad group create":          "--display-name --mail-nickname",
	"az ad group member add":      "--group --member-id",

	"az deployment sub what-if": "",
	"az deployment sub create":  "",
	"az deployment sub show":    "--name",
	"az resource list":          "--resource-group --resource-type",
	"az resource delete":        "--ids --resource-group --name --resource-type",

	"az storage container immutability-policy show": "--account-name --container-name",
	"az storage container immutability-policy lock": "--account-name --container-name --if-match",
	"az storage account list":                       "--resource-group",
	"az storage account show":                       "--resource-group --name --expand",
	"az storage account failover":                   "--resource-group --name",
	"az storage account delete":                     "--resource-group --name",

	"az functionapp config appsettings set":         "--resource-group --name --settings",
	"az functionapp config appsettings delete":      "--resource-group --name --setting-names",
	"az functionapp deployment source config-zip":   "--resource-group --name --src",
	"az functionapp list-flexconsumption-locations": "",
	"az functionapp keys list":                      "--resource-group --name",
	"az functionapp delete":                         "--resource-group --name",
	"az eventgrid system-topic delete":              "--resource-group --name",
	"az monitor log-analytics workspace delete":     "--resource-group --workspace-name",
	"az monitor log-analytics workspace show":       "--resource-group --workspace-name",
	"az monitor log-analytics query":                "--workspace --analytics-query",
	"az monitor action-group delete":                "--resource-group --name",
	"az identity list":                              "--resource-group",
	"az role definition list":                       "--custom-role-only --resource-group",
	"az role assignment create":                     "--assignee-object-id --assignee-principal-type --role --scope",
	"az identity delete":                            "--resource-group --name",
	"az lock create":                                "--name --lock-type --resource-group --resource-name --resource-type",
}

// ofReader are files that the reader makes.
var ofReader = []string{"infra/mine.bicepparam", "infra/paired.bicepparam"}

var (
	fenced     = regexp.MustCompile("(?ms)^ *```\n(.*?)^ *```")
	inline     = regexp.MustCompile("`([^`\n]+)`")
	ours       = regexp.MustCompile(`^(?:\$ )?((?:make|stackusage|stackusage-agent|az|cp)(?: .*)?)$`)
	inVariable = regexp.MustCompile(`^[A-Z]+=\$\((.*)\)$`)
	filePath   = regexp.MustCompile(`^(?:infra|docs|functions|cmd|internal|test)/[\w./-]*\w$`)
	makeGoal   = regexp.MustCompile(`(?m)^([a-z-]+):.*##`)
)

// commands are the commands in a page, and the files that it names.
func commands(page string) (list, files []string) {
	add := func(text string) {
		if m := ours.FindStringSubmatch(inVariable.ReplaceAllString(strings.TrimSpace(text), "$1")); m != nil {
			list = append(list, strings.NewReplacer("[", "", "]", "").Replace(m[1]))
		}
	}
	for _, block := range fenced.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
			add(line)
		}
	}
	for _, span := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		add(span[1])
		if filePath.MatchString(span[1]) {
			files = append(files, span[1])
		}
	}
	return list, files
}

// programs are built once for all tests, if one asks for them.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "stackusage-infra-"); err != nil {
		return "", err
	}
	programsDir = dir
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "stackusage/cmd/stackusage", "stackusage/cmd/stackusage-agent").CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return dir, err
})

var programsDir string // to be removed

func TestMain(m *testing.M) {
	code := m.Run()
	if programsDir != "" {
		os.RemoveAll(programsDir)
	}
	os.Exit(code)
}

// check says what is wrong with the commands of a page.
func check(t testing.TB, page string) (problems []string) {
	t.Helper()
	list, files := commands(page)
	for _, command := range list {
		words := strings.Fields(command)
		for i, word := range words {
			if word == ">" || word == "|" {
				words = words[:i]
				break
			}
			_, value, _ := strings.Cut(word, "=")
			for _, file := range []string{word, value} {
				if filePath.MatchString(file) {
					files = append(files, file)
				}
			}
		}
		switch words[0] {
		case "make":
			problems = append(problems, checkMake(t, words[1:])...)
		case "az":
			problems = append(problems, checkAZ(words)...)
		case "stackusage", "stackusage-agent":
			problems = append(problems, checkProgram(t, words)...)
		}
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(file))); err != nil && !slices.Contains(ofReader, file) {
			problems = append(problems, "no file "+file)
		}
	}
	return problems
}

func checkMake(t testing.TB, words []string) (problems []string) {
	makefile := read(t, "Makefile")
	var goals []string
	for _, m := range makeGoal.FindAllStringSubmatch(makefile, -1) {
		goals = append(goals, m[1])
	}
	scripts, _ := filepath.Glob("deploy/*.sh") // the pattern is good
	for _, script := range scripts {
		makefile += read(t, "infra/"+filepath.ToSlash(script))
	}
	for _, word := range words {
		name, _, variable := strings.Cut(word, "=")
		switch {
		case variable && !regexp.MustCompile(`\b`+name+`\b`).MatchString(makefile):
			problems = append(problems, "make knows no variable "+name)
		case !variable && !slices.Contains(goals, name):
			problems = append(problems, "make has no target "+name)
		}
	}
	return problems
}

func checkAZ(words []string) (problems []string) {
	n := 1
	for n < len(words) && !strings.HasPrefix(words[n], "-") {
		n++
	}
	command := strings.Join(words[:n], " ")
	options, known := azOptions[command]
	if !known {
		return []string{command + " is not in the table of commands"}
	}
	for _, word := range words[n:] {
		if strings.HasPrefix(word, "-") && word != "--query" && word != "--output" && !slices.Contains(strings.Fields(options), word) {
			problems = append(problems, command+" has no option "+word)
		}
	}
	return problems
}

var help = sync.OnceValue(func() *sync.Map { return &sync.Map{} })

func checkProgram(t testing.TB, words []string) (problems []string) {
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for n < len(words) && regexp.MustCompile(`^[a-z][a-z-]*$`).MatchString(words[n]) {
		n++
	}
	call := strings.Join(words[:n], " ")
	text, asked := help().Load(call)
	if !asked {
		args := append(slices.Clone(words[1:n]), "--help")
		if call == "stackusage help" {
			args = args[:1]
		}
		out, err := exec.Command(filepath.Join(dir, words[0]), args...).CombinedOutput()
		if err != nil {
			return []string{call + " --help: " + strings.TrimSpace(string(out))}
		}
		text = string(out)
		help().Store(call, text)
	}
	for _, word := range words[n:] {
		if flag, ok := strings.CutPrefix(word, "--"); ok && !regexp.MustCompile(`(?m)(^\s+-|--)`+regexp.QuoteMeta(flag)+`\b`).MatchString(text.(string)) {
			problems = append(problems, call+" has no flag "+word)
		}
	}
	return problems
}

func TestPages(t *testing.T) {
	deploy, operations := read(t, "docs/deploy.md"), read(t, "docs/operations.md")
	for name, page := range map[string]string{"docs/deploy.md": deploy, "docs/operations.md": operations, "infra/README.md": read(t, "infra/README.md"), "docs/stackusage.md": read(t, "docs/stackusage.md")} {
		t.Run("commands and files of "+name+" are there", func(t *testing.T) {
			for _, problem := range check(t, page) {
				t.Error(problem)
			}
		})
	}
	if list, _ := commands(deploy); len(list) < 40 {
		t.Errorf("%d commands in docs/deploy.md", len(list))
	}
	for _, m := range []struct{ name, page, old, new, want string }{
		{"a target", deploy, "`make test`", "`make tests`", "make has no target tests"},
		{"a command of az", deploy, "az lock create", "az locks create", "az locks create is not in the table"},
		{"a command whose answer is kept", deploy, "$(az functionapp keys list", "$(az functionapp key list", "az functionapp key list is not in the table"},
		{"an option of az", deploy, "--create-cert", "--cert", "has no option --cert"},
		{"a command of ours", operations, "stackusage hour resolve", "stackusage hour decide", `"decide"`},
		{"a flag of ours", operations, "--keep --reason", "--kept --reason", "stackusage hour resolve has no flag --kept"},
		{"a command of the agent", deploy, "stackusage-agent backfill", "stackusage-agent refill", "stackusage-agent refill"},
		{"a flag of the agent", deploy, "backfill --from", "backfill --since", "has no flag --since"},
		{"a file", deploy, "cp infra/main.bicepparam", "cp infra/base.bicepparam", "no file infra/base.bicepparam"},
		{"a file in the text", deploy, "`infra/bicepconfig.json`", "`infra/bicepconfigs.json`", "no file infra/bicepconfigs.json"},
	} {
		t.Run("noticed: "+m.name+" that is not there", func(t *testing.T) {
			if !strings.Contains(m.page, m.old) {
				t.Fatalf("no %q to change", m.old)
			}
			if got := strings.Join(check(t, strings.ReplaceAll(m.page, m.old, m.new)), "\n"); !strings.Contains(got, m.want) {
				t.Errorf("problems:\n%s\nwant %q", got, m.want)
			}
		})
	}
	t.Run("the guide names every module, and says what it is not", func(t *testing.T) {
		modules, err := filepath.Glob("modules/*.bicep")
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range modules {
			name := strings.TrimSuffix(filepath.Base(module), ".bicep")
			if text := read(t, "infra/"+filepath.ToSlash(module)); strings.Contains(text, "\nresource ") && !strings.Contains(deploy, "`"+name+"`") {
				t.Errorf("docs/deploy.md does not name %s", name)
			}
		}
		for _, said := range []string{"*parsed* and *cross-checked*", "**not compiled and not deployed**", "## Not shown"} {
			if !strings.Contains(deploy, said) {
				t.Errorf("docs/deploy.md does not say %s", said)
			}
		}
	})
}
