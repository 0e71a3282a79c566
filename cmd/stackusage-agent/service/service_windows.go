// Package service is the agent as a service of Windows: it is installed, removed and run by
// the service manager.
package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// Name is that of the service.
const Name = "stackusage-agent"

// stopHint is how long the service manager is asked to wait for the end.
const stopHint = 30 * time.Second

// Install makes the service, which starts with the machine and runs this program with the
// configuration file at path.
func Install(path string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run this as an administrator", err)
	}
	defer m.Disconnect()
	if s, err := m.OpenService(Name); err == nil {
		s.Close()
		return fmt.Errorf("%s is installed already: uninstall it first", Name)
	}
	s, err := m.CreateService(Name, exe, mgr.Config{
		DisplayName: "stackusage agent",
		StartType:   mgr.StartAutomatic,
		// An account of its own, without password, that may do nothing but what
		// its folders allow.
		ServiceStartName: `NT SERVICE\` + Name,
	}, "service", "run", "--config", path)
	if err != nil {
		return fmt.Errorf("create %s: %w", Name, err)
	}
	defer s.Close()
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: time.Minute}
	conf, err := s.Config()
	if err == nil {
		conf.Description, conf.DelayedAutoStart = "Collects usage on an Azure Stack and uploads it to Azure Storage.", true
		err = s.UpdateConfig(conf)
	}
	err = errors.Join(known(err),
		known(s.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, uint32(24*time.Hour/time.Second))),
		known(s.SetRecoveryActionsOnNonCrashFailures(true)),
	)
	if err != nil {
		return errors.Join(fmt.Errorf("set how %s starts, and what happens when it fails: %w", Name, err), s.Delete())
	}
	return nil
}

// known passes over what a service manager does not know: wine's has no delayed start
// and no recovery.
func known(err error) error {
	if errors.Is(err, windows.ERROR_INVALID_LEVEL) {
		return nil
	}
	return err
}

// Uninstall stops and removes the service.
func Uninstall() error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run this as an administrator", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(Name)
	if err != nil {
		return fmt.Errorf("open %s: %w", Name, err)
	}
	defer s.Close()
	_, _ = s.Control(svc.Stop) // it may not run; Delete waits for its end in any case
	if err := s.Delete(); err != nil {
		return fmt.Errorf("delete %s: %w", Name, err)
	}
	return nil
}

// Run does work as the service manager has it, which is what must have started this
// program.
func Run(ctx context.Context, work func(context.Context) error) error {
	err := svc.Run(Name, handler{ctx, work})
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return errors.New("service run: the service manager starts this; start it with: sc start " + Name)
	}
	return err
}

// handler does the work until the service manager ends it.
type handler struct {
	ctx  context.Context
	work func(context.Context) error
}

// Execute answers the service manager. An end that it did not ask for is a
// failure, by which it starts the service again.
func (h handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	status <- svc.Status{State: svc.StartPending}
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.work(ctx) }()
	status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case <-done: // what went wrong is in the log
			if ctx.Err() != nil {
				return false, 0
			}
			return true, 1
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending, WaitHint: uint32(stopHint / time.Millisecond)}
				cancel()
			}
		}
	}
}
