package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
	"gopkg.in/natefinch/lumberjack.v2"
)

const serviceName = "stackusage-agent"

// stopHint is how long the service manager is asked to wait for the end.
const stopHint = 30 * time.Second

func service(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer, work func(context.Context, string, func(string) string, io.Writer) error) error {
	if len(args) == 0 {
		return errors.New("service: a command is missing: install, uninstall or run")
	}
	fs := flagSet("service "+args[0], stderr)
	path := configFlag(fs, getenv)
	if _, err := parse(fs, args[1:]); err != nil {
		return err
	}
	full, err := filepath.Abs(*path) // the service starts in another folder
	if err != nil {
		return err
	}
	switch args[0] {
	case "install":
		err = install(full)
	case "uninstall":
		err = uninstall()
	case "run":
		return runService(ctx, func(ctx context.Context) error {
			log := &lumberjack.Logger{Filename: filepath.Join(filepath.Dir(full), "logs", "agent.log"), MaxSize: 20, MaxBackups: 5}
			defer log.Close()
			err := work(ctx, full, getenv, log)
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(log, "stackusage-agent:", err)
			}
			return err
		})
	default:
		err = fmt.Errorf("command %.40q is not known: install, uninstall or run", args[0])
	}
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	fmt.Fprintln(stdout, "service", serviceName, args[0]+"ed")
	return nil
}

func install(path string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run this as an administrator", err)
	}
	defer m.Disconnect()
	if s, err := m.OpenService(serviceName); err == nil {
		s.Close()
		return fmt.Errorf("%s is installed already: uninstall it first", serviceName)
	}
	s, err := m.CreateService(serviceName, exe, mgr.Config{
		DisplayName: "stackusage agent",
		StartType:   mgr.StartAutomatic,
		// An account of its own, without password, that may do nothing but what
		// its folders allow.
		ServiceStartName: `NT SERVICE\` + serviceName,
	}, "service", "run", "--config", path)
	if err != nil {
		return fmt.Errorf("create %s: %w", serviceName, err)
	}
	defer s.Close()
	again := mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: time.Minute}
	conf, err := s.Config()
	if err == nil {
		conf.Description, conf.DelayedAutoStart = "Collects usage on an Azure Stack and drops it into Azure Storage.", true
		err = s.UpdateConfig(conf)
	}
	err = errors.Join(known(err),
		known(s.SetRecoveryActions([]mgr.RecoveryAction{again, again, again}, uint32(24*time.Hour/time.Second))),
		known(s.SetRecoveryActionsOnNonCrashFailures(true)),
	)
	if err != nil {
		return errors.Join(fmt.Errorf("set how %s starts, and what happens when it fails: %w", serviceName, err), s.Delete())
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

func uninstall() error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("reach the service manager: %w: run this as an administrator", err)
	}
	defer m.Disconnect()
	s, err := m.OpenService(serviceName)
	if err != nil {
		return fmt.Errorf("open %s: %w", serviceName, err)
	}
	defer s.Close()
	_, _ = s.Control(svc.Stop) // it may not run; Delete waits for its end in any case
	if err := s.Delete(); err != nil {
		return fmt.Errorf("delete %s: %w", serviceName, err)
	}
	return nil
}

func runService(ctx context.Context, work func(context.Context) error) error {
	err := svc.Run(serviceName, handler{ctx, work})
	if errors.Is(err, windows.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
		return errors.New("service run: the service manager starts this; start it with: sc start " + serviceName)
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

// toJournal: Windows has none.
func toJournal(func(string) string) bool { return false }
