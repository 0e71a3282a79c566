package functionhost_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/internal/devstack/functionhost"
)

// TestMain is also the handler of the apps under test: the staged bin/handler is
// a link to the test binary, and the app setting PROBE_DIR tells it what it is.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PROBE_DIR"); dir != "" {
		runProbe(dir)
	}
	if app := os.Getenv("HOST_APP"); app != "" {
		runHost(app)
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // most of them wait for a process or a lease
	azuritetest.Main(m)
}

// runHost is a host in a process of its own, to be killed.
func runHost(app string) {
	_, err := functionhost.Start(context.Background(), functionhost.Options{
		AppDir:   app,
		Settings: map[string]string{"PROBE_DIR": os.Getenv("HOST_PROBE_DIR"), "AzureWebJobsStorage": "not used", "AzureWebJobs.F.Disabled": "true"},
	})
	if err != nil {
		panic(err)
	}
	time.Sleep(time.Minute) // nobody needs it longer
	os.Exit(1)
}

// seen is a request as the probe noted it.
type seen struct {
	PID      int
	Method   string
	URI      string
	Host     string
	Encoding []string // Transfer-Encoding
	Length   int64
	Header   http.Header
	Body     string
	At       time.Time
}

// text is what the trigger's value says, decoded as a handler would.
func (s seen) text() string {
	if s.URI == "/FailingTimer" {
		return "failing timer"
	}
	var envelope struct{ Data map[string]json.RawMessage }
	if json.Unmarshal([]byte(s.Body), &envelope) != nil {
		return s.Body
	}
	var outer, inner string
	for _, v := range envelope.Data {
		if json.Unmarshal(v, &outer) != nil {
			return string(v)
		}
		if json.Unmarshal([]byte(outer), &inner) != nil {
			return outer
		}
	}
	return inner
}

// runProbe is the handler. It notes each request in dir, and then does what the
// trigger's text asks for.
func runProbe(dir string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-term
		note(dir, "signals", "asked to end")
	}()
	note(dir, "starts", strconv.Itoa(os.Getpid())+" "+strings.Join(os.Args[1:], "|"))
	if text := os.Getenv("PROBE_EXIT"); text != "" {
		code, _ := strconv.Atoi(text)
		fmt.Fprintln(os.Stderr, "leaving at once")
		os.Exit(code)
	}
	if d, err := time.ParseDuration(os.Getenv("PROBE_START_DELAY")); err == nil {
		time.Sleep(d)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, r *http.Request) {
		answer(w, `{"Logs":["came by the redirect"]}`)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/" {
			http.NotFound(w, r) // as good as any answer
			return
		}
		body, _ := io.ReadAll(r.Body)
		s := seen{os.Getpid(), r.Method, r.RequestURI, r.Host, r.TransferEncoding, r.ContentLength, r.Header, string(body), time.Now()}
		line, _ := json.Marshal(s)
		note(dir, "requests", string(line))
		act(w, dir, s)
	})
	fmt.Println(http.Serve(ln, mux))
	os.Exit(4)
}

func note(dir, file, line string) {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, body)
}

// act understands "verb" and "verb:argument". What it does not understand it
// takes well.
func act(w http.ResponseWriter, dir string, s seen) {
	if strings.HasPrefix(s.URI, "/api/") {
		actHTTP(w, s)
		return
	}
	verb, arg, _ := strings.Cut(s.text(), ":")
	switch verb {
	case "failing timer":
		time.Sleep(500 * time.Millisecond)
		w.WriteHeader(http.StatusInternalServerError)
	case "empty":
	case "204":
		w.WriteHeader(http.StatusNoContent)
	case "null":
		answer(w, "null")
	case "text":
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "{}")
	case "untyped":
		w.Header()["Content-Type"] = nil
		fmt.Fprint(w, "{}")
	case "array":
		answer(w, "[]")
	case "garbage":
		answer(w, "{")
	case "status":
		code, _ := strconv.Atoi(arg)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		if code < 300 {
			fmt.Fprint(w, "{}")
			return
		}
		fmt.Fprint(w, `{"Logs":["never to be seen"]}`)
	case "redirect":
		w.Header().Set("Location", "/moved")
		w.WriteHeader(http.StatusFound)
	case "answer":
		answer(w, arg)
	case "env":
		wd, _ := os.Getwd()
		note(dir, "env", strings.Join(append(os.Environ(), "PWD_SEEN="+wd), "\n"))
		answer(w, "{}")
	case "exit":
		code, _ := strconv.Atoi(arg)
		os.Exit(code)
	case "print":
		fmt.Println("on stdout " + arg)
		fmt.Fprintln(os.Stderr, "on stderr "+arg)
		fmt.Fprintln(os.Stderr, "a WARNing on stderr "+arg)
		answer(w, "{}")
	case "sleep":
		d, _ := time.ParseDuration(arg)
		time.Sleep(d)
		answer(w, "{}")
	default:
		answer(w, "{}")
	}
}

func actHTTP(w http.ResponseWriter, s seen) {
	switch {
	case strings.Contains(s.URI, "teapot"):
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "short and stout")
	case strings.Contains(s.URI, "redirect"):
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	case strings.Contains(s.URI, "sleep"):
		time.Sleep(time.Minute)
	default:
		fmt.Fprint(w, "echo:"+s.Body)
	}
}
