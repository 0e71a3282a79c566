// Package azurite starts Azurite, Microsoft's storage emulator, for tests and
// for the local stack: pinned by test/azurite/package-lock.json, on loopback
// ports below 32768, with its data in a folder of the caller's.
//
// One process serves many storage accounts, so that tests which share it still
// have tables and queues of their own:
//
//	az, err := azurite.Start(ctx, azurite.Options{Dir: dir, Accounts: 3})
//	...
//	defer az.Stop()
//	client, err := aztables.NewServiceClientFromConnectionString(az.ConnectionString(0), nil)
package azurite

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"stackusage/internal/devstack/loopback"
)

// Options says what to start. The zero value of Accounts means one account.
type Options struct {
	Dir      string // where Azurite keeps its data and its log; must exist
	Accounts int    // how many storage accounts; named account0, account1, ...
	Ports    *Ports // nil: pick free ports

	// CertFile and KeyFile are PEM files of a certificate for 127.0.0.1 and of its
	// key; with them the three services speak https, and only that.
	CertFile, KeyFile string

	// OAuth makes the services take bearer tokens beside their keys (--oauth
	// basic: lifetime, issuer and audience of a token are checked, its signature
	// is not). It needs a certificate.
	OAuth bool

	// InMemory keeps the data in memory: Azurite's tables are one file that it
	// writes whole every few seconds, which takes longer with every test.
	InMemory bool
}

// Ports are the loopback ports of the three services.
type Ports struct{ Blob, Queue, Table int }

// Server is a running Azurite.
type Server struct {
	Ports Ports

	opts Options
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of the process; read after done is closed
}

// startTries bounds how often other ports are tried when somebody took ours
// between the look and the bind.
const startTries = 5

// Start runs Azurite and returns when all three services answer.
func Start(ctx context.Context, opts Options) (*Server, error) {
	script, err := Install(ctx)
	if err != nil {
		return nil, err
	}
	if opts.OAuth && opts.CertFile == "" || (opts.CertFile == "") != (opts.KeyFile == "") {
		return nil, errors.New("start azurite: OAuth needs CertFile and KeyFile, and each of them the other")
	}
	opts.Accounts = max(opts.Accounts, 1)
	for try := 1; ; try++ {
		s := &Server{opts: opts, done: make(chan struct{})}
		if opts.Ports != nil {
			s.Ports = *opts.Ports
		} else if s.Ports, err = freePorts(); err != nil {
			return nil, fmt.Errorf("start azurite: %w", err)
		}
		if err = s.start(ctx, script); err == nil {
			return s, nil
		}
		if try == startTries || ctx.Err() != nil || opts.Ports != nil {
			return nil, fmt.Errorf("start azurite: %w", err)
		}
	}
}

func (s *Server) start(ctx context.Context, script string) error {
	log, err := os.OpenFile(filepath.Join(s.opts.Dir, "azurite.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	var accounts strings.Builder
	for i := range s.opts.Accounts {
		fmt.Fprintf(&accounts, "%s:%s;", AccountName(i), accountKey(i))
	}
	args := []string{script,
		"--silent", "--skipApiVersionCheck", "--disableTelemetry", "--loose",
		"--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(s.Ports.Blob),
		"--queueHost", "127.0.0.1", "--queuePort", strconv.Itoa(s.Ports.Queue),
		"--tableHost", "127.0.0.1", "--tablePort", strconv.Itoa(s.Ports.Table)}
	if s.opts.CertFile != "" {
		args = append(args, "--cert", s.opts.CertFile, "--key", s.opts.KeyFile)
	}
	if s.opts.OAuth {
		args = append(args, "--oauth", "basic")
	}
	if s.opts.InMemory {
		args = append(args, "--inMemoryPersistence")
	} else {
		args = append(args, "--location", s.opts.Dir)
	}
	client, err := s.prober()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	s.cmd = exec.Command("node", args...)
	s.cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+accounts.String())
	s.cmd.Stdout, s.cmd.Stderr = log, log
	loopback.DieWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	for _, port := range []int{s.Ports.Blob, s.Ports.Queue, s.Ports.Table} {
		if err := s.await(ctx, client, port); err != nil {
			s.Kill()
			return err
		}
	}
	return nil
}

// await returns once an HTTP server answers on port. Any answer will do: an
// unsigned request is refused, and the refusal shows that the service is up.
func (s *Server) await(ctx context.Context, client *http.Client, port int) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(port)+"/", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err == nil {
			server := resp.Header.Get("Server")
			resp.Body.Close()
			if strings.HasPrefix(server, "Azurite") {
				return nil
			}
			return fmt.Errorf("port %d is somebody else's", port)
		}
		select {
		case <-s.done:
			return fmt.Errorf("azurite ended: %w; its log is %s", s.err, filepath.Join(s.opts.Dir, "azurite.log"))
		case <-ctx.Done():
			return fmt.Errorf("port %d does not answer: %w", port, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends Azurite with SIGTERM, so that it writes its data out, and waits.
func (s *Server) Stop() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.Kill()
		return
	}
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		s.Kill()
	}
}

// Kill ends Azurite at once and waits.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // only fails when the process has ended
	<-s.done
}

// Restart starts Azurite again on the same ports and data, after Stop or Kill.
func (s *Server) Restart(ctx context.Context) error {
	opts := s.opts
	opts.Ports = &s.Ports
	again, err := Start(ctx, opts)
	if err != nil {
		return err
	}
	*s = *again
	return nil
}

// freePorts finds a port for each service.
func freePorts() (p Ports, err error) {
	for _, port := range []*int{&p.Blob, &p.Queue, &p.Table} {
		if *port, err = loopback.Port(); err != nil {
			break
		}
	}
	return p, err
}
