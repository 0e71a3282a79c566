package functionhost_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stackusage/internal/devstack/functionhost"
)

const nilSignal = syscall.Signal(0)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	app := map[string]string{"host.json": hostJSON("00:10:00", ""), "F": byHand}

	t.Run("exit 0 leaves the app dead while the host is Running", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		r.invoke("F", "exit:0")
		r.finished("F", 1)
		r.eventually("the end of the process", func() bool { return !alive(r.HandlerPID()) })
		for i := range int64(5) {
			r.invoke("F", "ok")
			if got := r.finished("F", i+2); got.Succeeded != 0 {
				t.Fatalf("a dead handler answered: %+v", got)
			}
		}
		if r.Err() != nil || r.Stats().Restarts != 0 {
			t.Errorf("error %v, restarts %d", r.Err(), r.Stats().Restarts)
		}
		if !strings.Contains(r.log.String(), "connection refused") {
			t.Error("calls do not fail with a refused connection")
		}
	})
	t.Run("exit 200 is a free restart", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		for i := range int64(5) {
			r.invoke("F", "exit:200")
			r.finished("F", i+1)
			r.eventually("a restart", func() bool { return r.Stats().Restarts == i+1 })
		}
		r.invoke("F", "ok")
		if got := r.finished("F", 6); got.Succeeded != 1 || r.Err() != nil {
			t.Errorf("%+v, %v", got, r.Err())
		}
	})
	t.Run("the third crash stops the host", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		for i := range int64(3) {
			r.eventually("a handler to crash", func() bool { return r.Stats().Restarts == i && r.HandlerPID() != 0 })
			r.invoke("F", "exit:3")
			r.finished("F", i+1)
		}
		r.ended(functionhost.ErrTooManyCrashes)
		if n := len(r.lines("starts")); n != 3 {
			t.Errorf("%d processes, want 3", n)
		}
	})
	t.Run("a signal counts as a crash", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		for i := range int64(3) {
			r.eventually("a handler to kill", func() bool { return r.Stats().Restarts == i && r.HandlerPID() != 0 })
			r.KillHandler()
		}
		r.ended(functionhost.ErrTooManyCrashes)
	})
	t.Run("a crash more than half an hour after the last begins the count anew", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app)
		r.opts.TimeScale = 1800 // half an hour is a second
		r.start()
		for i := range int64(4) {
			r.invoke("F", "exit:3")
			r.finished("F", i+1)
			time.Sleep(1500 * time.Millisecond)
		}
		r.invoke("F", "ok")
		if got := r.finished("F", 5); got.Succeeded != 1 || r.Err() != nil {
			t.Errorf("%+v, %v", got, r.Err())
		}
	})
	t.Run("calls under way fail at once when the process dies", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		r.invoke("F", "sleep:1m")
		r.eventually("the call", func() bool { return len(r.requests()) == 1 })
		begin := time.Now()
		r.KillHandler()
		if got := r.finished("F", 1); got.Failed != 1 || time.Since(begin) > 5*time.Second {
			t.Errorf("%+v after %v", got, time.Since(begin))
		}
	})
	t.Run("calls during a restart wait for the new process", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app)
		r.opts.Settings["PROBE_START_DELAY"] = "500ms"
		r.start()
		r.KillHandler()
		r.eventually("a restart", func() bool { return r.Stats().Restarts == 1 })
		r.invoke("F", "ok")
		if got := r.finished("F", 1); got.Succeeded != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// ended waits for the host to end by itself.
func (r *rig) ended(want error) {
	r.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(patience):
		r.t.Fatal("the host goes on")
	}
	if !errors.Is(r.Err(), want) {
		r.t.Errorf("ended with %v, want %v", r.Err(), want)
	}
}

func TestStart(t *testing.T) {
	t.Parallel()
	patient := hostJSON("00:10:00", "") // a busy machine takes a while to start a process
	quick := strings.Replace(patient, `"00:00:20"`, `"00:00:01"`, 1)

	t.Run("a handler that is slow three times stops the host", func(t *testing.T) {
		t.Parallel()
		r := stage(t, map[string]string{"host.json": quick, "F": byHand})
		r.opts.Settings["PROBE_START_DELAY"] = "1m"
		begin := time.Now()
		_, err := r.tryStart()
		if !errors.Is(err, functionhost.ErrTooManyCrashes) {
			t.Fatalf("error %v", err)
		}
		if n := len(r.lines("starts")); n != 3 || time.Since(begin) < 3*time.Second {
			t.Errorf("%d processes in %v, want 3 in three seconds", n, time.Since(begin))
		}
		if signals := r.lines("signals"); signals != nil {
			t.Errorf("the handler was asked to end: %v", signals)
		}
	})
	t.Run("a handler that crashes at its start stops the host", func(t *testing.T) {
		t.Parallel()
		r := stage(t, map[string]string{"host.json": patient, "F": byHand})
		r.opts.Settings["PROBE_EXIT"] = "7"
		_, err := r.tryStart()
		if !errors.Is(err, functionhost.ErrTooManyCrashes) || !strings.Contains(err.Error(), "leaving at once") {
			t.Errorf("error %v, want the last lines of stderr in it", err)
		}
	})
	t.Run("a handler that exits with 0 at its start is waited for", func(t *testing.T) {
		t.Parallel()
		r := stage(t, map[string]string{"host.json": quick, "F": byHand})
		r.opts.Settings["PROBE_EXIT"] = "0"
		begin := time.Now()
		_, err := r.tryStart()
		if !errors.Is(err, functionhost.ErrTooManyCrashes) || time.Since(begin) < 3*time.Second {
			t.Errorf("error %v after %v", err, time.Since(begin))
		}
	})
	t.Run("a file that may not be executed stops the host", func(t *testing.T) {
		t.Parallel()
		r := stage(t, map[string]string{"host.json": patient, "F": byHand})
		bin := filepath.Join(r.opts.AppDir, "bin", "handler")
		must(t, os.Remove(bin))
		must(t, os.WriteFile(bin, []byte("#!/bin/sh\n"), 0o644))
		_, err := r.tryStart()
		if !errors.Is(err, functionhost.ErrTooManyCrashes) || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the caller's context bounds the start", func(t *testing.T) {
		t.Parallel()
		r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "F": byHand})
		r.opts.Settings["PROBE_START_DELAY"] = "1m"
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := functionhost.Start(ctx, r.opts); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	app := map[string]string{"host.json": hostJSON("01:00:00", ""), "F": byHand}

	t.Run("what ends within the drain succeeds, and the handler gets SIGKILL only", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		pid := r.HandlerPID()
		r.invoke("F", "sleep:500ms")
		r.eventually("the call", func() bool { return len(r.requests()) == 1 })
		must(t, r.Stop(context.Background()))
		if got := r.stats("F"); got.Succeeded != 1 {
			t.Errorf("%+v", got)
		}
		if alive(pid) || r.lines("signals") != nil {
			t.Errorf("alive %v, signals %v", alive(pid), r.lines("signals"))
		}
		if r.Err() != nil {
			t.Errorf("Err %v", r.Err())
		}
	})
	t.Run("the drain lasts thirty seconds", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app)
		r.opts.TimeScale = 30
		r.start()
		r.invoke("F", "sleep:1m")
		r.eventually("the call", func() bool { return len(r.requests()) == 1 })
		begin := time.Now()
		must(t, r.Stop(context.Background()))
		if took := time.Since(begin); took < 900*time.Millisecond || took > 10*time.Second {
			t.Errorf("stopped after %v, want one second", took)
		}
		if got := r.stats("F"); got.Failed != 1 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("the handler ends with KillHost", func(t *testing.T) {
		t.Parallel()
		r := stage(t, app).start()
		pid := r.HandlerPID()
		r.KillHost()
		if alive(pid) {
			t.Error("the handler is an orphan")
		}
	})
	t.Run("the handler ends when the process of the host is killed", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux ends a child with its parent")
		}
		t.Parallel()
		r := stage(t, app)
		self, err := os.Executable()
		must(t, err)
		host := exec.Command(self)
		host.Env = append(os.Environ(), "HOST_APP="+r.opts.AppDir, "HOST_PROBE_DIR="+r.dir)
		must(t, host.Start())
		r.eventually("a handler", func() bool { return r.lines("starts") != nil })
		pid, err := strconv.Atoi(strings.TrimSpace(r.lines("starts")[0]))
		must(t, err)
		must(t, host.Process.Kill())
		_ = host.Wait() // it was killed
		r.eventually("the end of the handler", func() bool { return !alive(pid) })
	})
}

func TestLog(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "F": byHand}).start()
	r.invoke("F", "print:x")
	r.finished("F", 1)
	r.eventually("a last line", func() bool { return r.log.find("Executed 'Functions.F' (Succeeded)") != nil })
	begin, end := r.log.find("Executing 'Functions.F'"), r.log.find("Executed 'Functions.F' (Succeeded)")
	id := r.requests()[0].Header.Get("X-Azure-Functions-InvocationId")
	if begin["invocation"] != id || end["invocation"] != id || end["duration"] == nil {
		t.Errorf("invocation %s was logged as %v, %v", id, begin, end)
	}
	for message, level := range map[string]string{
		"on stdout x":           "INFO",
		"on stderr x":           "ERROR",
		"a WARNing on stderr x": "WARN",
	} {
		r.eventually(message, func() bool { return r.log.find(message) != nil })
		if record := r.log.find(message); record["level"] != level || record["category"] != "Host.Function.Console" || record["invocation"] != nil {
			t.Errorf("%v, want level %s", record, level)
		}
	}
}
