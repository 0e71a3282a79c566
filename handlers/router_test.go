package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"

	"stackusage/functions"
	"stackusage/handlers"
	"stackusage/shared/forward"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
)

func TestRoutesAreFunctions(t *testing.T) {
	t.Parallel()
	all, err := functions.All()
	ok(t, err)
	app := &handlers.App{}
	t.Run("each folder has a route of its name, and nothing else has one", func(t *testing.T) {
		router, err := app.Router()
		ok(t, err)
		var routes, folders []string
		ok(t, router.(*mux.Router).Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
			path, _ := route.GetPathTemplate()
			methods, _ := route.GetMethods()
			routes = append(routes, route.GetName()+": "+strings.Join(methods, ",")+" "+path)
			return nil
		}))
		for _, f := range all {
			if trigger := f.Trigger(); trigger.Type == "httpTrigger" {
				folders = append(folders, f.Name+": "+strings.ToUpper(strings.Join(trigger.Methods, ","))+" /api/"+trigger.Route)
			} else {
				folders = append(folders, f.Name+": POST /"+f.Name)
			}
		}
		slices.Sort(routes)
		slices.Sort(folders)
		if diff := cmp.Diff(folders, routes); diff != "" {
			t.Errorf("routes (-functions +router):\n%s", diff)
		}
	})
	binding := func(kind string) []functions.Binding { return []functions.Binding{{Type: kind}} }
	for _, c := range []struct {
		name string
		all  []functions.Function
		want string
	}{
		{"a folder without a handler", append(slices.Clone(all), functions.Function{Name: "Bill", Bindings: binding("queueTrigger")}), "route function Bill: no handler"},
		{"an HTTP folder without a handler", append(slices.Clone(all), functions.Function{Name: "Metrics", Bindings: binding("httpTrigger")}), "route function Metrics: no handler"},
		{"a handler without a folder", slices.DeleteFunc(slices.Clone(all), func(f functions.Function) bool { return f.Name == "Sweep" }), "route function Sweep: no folder"},
		{"a folder in other letters", append(slices.Clone(all), functions.Function{Name: "closeday", Bindings: binding("queueTrigger")}), "route function closeday: no handler"},
	} {
		t.Run(c.name+" keeps the process from starting", func(t *testing.T) {
			if _, err := app.Route(c.all); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("each queue has its poison queue", func(t *testing.T) {
		queues, err := queue.Names()
		ok(t, err)
		for _, q := range []string{queue.Landed, queue.Days, queue.Batches} {
			if !slices.Contains(queues, q) || !slices.Contains(queues, q+"-poison") {
				t.Errorf("%s or its poison queue is not in %v", q, queues)
			}
		}
	})
}

func TestWhatIsNoFunction(t *testing.T) {
	t.Parallel()
	router, err := (&handlers.App{}).Router()
	ok(t, err)
	for _, c := range []struct{ method, path string }{
		{http.MethodGet, "/IngestHour"}, {http.MethodPost, "/ingesthour"}, {http.MethodPost, "/IngestHour/"},
		{http.MethodPost, "/"}, {http.MethodPost, "/api/status"}, {http.MethodGet, "/Status"}, {http.MethodDelete, "/api/status"},
	} {
		t.Run(c.method+" "+c.path+" is a 404 in JSON", func(t *testing.T) {
			w := httptest.NewRecorder()
			router.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
			if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != `{"error":"no such function"}` {
				t.Errorf("%d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		})
	}
}

// senderFunc is commerce as a function.
type senderFunc func(ctx context.Context, id string, body []byte) (map[string]outcome.Result, error)

func (f senderFunc) Send(ctx context.Context, id string, body []byte) (map[string]outcome.Result, error) {
	return f(ctx, id, body)
}

func (senderFunc) Accepted(context.Context, string, string, []string) (map[string]forward.AcceptedRecord, error) {
	return nil, nil // it accepted nothing yet
}

func TestPanic(t *testing.T) {
	t.Parallel()
	r := stated(t)
	real := r.Commerce
	r.Commerce = senderFunc(func(context.Context, string, []byte) (map[string]outcome.Result, error) {
		panic("out of the blue")
	})
	for range 20 { // more often than there are slots
		if body := r.fails(t, "ForwardBatch", batchMessage(theDay, 1)); !strings.Contains(body, "ForwardBatch panicked: out of the blue") {
			t.Fatalf("body %s", body)
		}
	}
	r.Commerce = real
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if got := r.only(t, "UsageBatches")["state"]; got != "done" {
		t.Errorf("the batch is %v", got)
	}
}

func TestInvocationsAtOnce(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.Settings.InstanceMemory = 512
	r.reroute(t)
	slots := r.Slots("ForwardBatch")
	if slots < 1 || slots > 3 {
		t.Fatalf("%d slots: the test wants few", slots)
	}
	var lock sync.Mutex
	running, most := int64(0), int64(0)
	full := make(chan struct{})
	r.Commerce = senderFunc(func(context.Context, string, []byte) (map[string]outcome.Result, error) {
		lock.Lock()
		running++
		if most = max(most, running); most == slots && running == slots {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		lock.Unlock()
		select {
		case <-full:
		case <-time.After(20 * time.Second):
		}
		time.Sleep(30 * time.Millisecond) // time for one too many to show
		lock.Lock()
		running--
		lock.Unlock()
		return nil, &forward.Failure{Kind: forward.Busy, Status: 503}
	})
	r.listBatches(t, int(4*slots))
	var wait sync.WaitGroup
	for n := range int(4 * slots) {
		wait.Go(func() { r.call("ForwardBatch", batchMessage(theDay, n+1)) })
	}
	wait.Wait()
	if most != slots {
		t.Errorf("%d ran at once, want %d", most, slots)
	}
	t.Run("every function has at least one, and more on a bigger instance", func(t *testing.T) {
		small, big := &handlers.App{}, &handlers.App{}
		small.Settings.InstanceMemory, big.Settings.InstanceMemory = 512, 4096
		for _, f := range []string{"IngestHour", "CloseDay", "ForwardBatch"} {
			if small.Slots(f) < 1 || big.Slots(f) <= small.Slots(f) {
				t.Errorf("%s: %d and %d slots", f, small.Slots(f), big.Slots(f))
			}
		}
		big.Settings.InstanceDisk, big.Settings.Limits.Disk = 800, 128<<20
		if n := big.Slots("IngestHour"); n != 4 {
			t.Errorf("%d hour blobs of 128 MiB on 70 %% of 800 MiB of disk", n)
		}
		if small.Slots("Sweep") != 1 || big.Slots("Sweep") != 1 {
			t.Error("two sweeps at once would send everything twice")
		}
	})
}
