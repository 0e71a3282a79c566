package console

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	env := forbidden(t)
	p := start(t, env)
	for args, want := range map[string]string{
		"--port " + p.port: "port " + p.port + " is taken", "--port -1": "--port -1: want a port", "--port 65536": "--port 65536: want a port",
	} {
		cmd := exec.Command(tool, append([]string{"console"}, strings.Fields(args)...)...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), want) || strings.Contains(string(out), "token") {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	if code, _ := p.end(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d", code)
	}
	again := start(t, env, "--port", p.port) // the port is free at once
	if again.port != p.port {
		t.Errorf("port %s", again.port)
	}
	if a := again.get(t, "/", "stackusage-"+p.port+"="+p.token); a.status != http.StatusForbidden {
		t.Errorf("status %d", a.status)
	}
}

// TestOnlyLoopback: the port is not there on other addresses of the machine.
func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip := a.(*net.IPNet).IP
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), p.port), time.Second)
		if err == nil {
			conn.Close()
		}
		if local := ip.String() == "127.0.0.1"; local != (err == nil) && !ip.IsLinkLocalUnicast() {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

func TestClientsThatSendNothing(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	cookie := p.signIn(t)
	for _, begin := range []string{"", "GET / HT", "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + p.port + "\r\nX: y"} {
		for range 100 {
			conn := p.dial(t)
			defer conn.Close()
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
		}
	}
	if a := p.get(t, "/", cookie); a.status != http.StatusOK {
		t.Errorf("status %d", a.status)
	}
	if code, took := p.end(t, syscall.SIGINT); code != 0 || took > 10*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
}

// TestTheEndDoesNotWait: pages under way wait for storage that never answers.
func TestTheEndDoesNotWait(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		var asked atomic.Int32
		p := start(t, storageOf(t, func(_ http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			<-r.Context().Done()
		}))
		cookie := p.signIn(t)
		for _, address := range []string{"/", "/quarantine", "/quarantine?csv=list"} {
			conn := p.dial(t)
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET "+address+" HTTP/1.1\r\nHost: 127.0.0.1:"+p.port+"\r\nCookie: "+cookie+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, "a call of storage", func() bool { return asked.Load() > 1 })
		if code, took := p.end(t, signal); code != 0 || took > 10*time.Second {
			t.Errorf("%v: exit code %d after %v", signal, code, took)
		}
	}
}
