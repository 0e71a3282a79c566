package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
	"gopkg.in/natefinch/lumberjack.v2"
)

const serviceName = "stackusage-agent"

// stopHint is how long the service manager is asked to wait for the end.
const stopHint = 30 * time.Second

func (p *program) serviceCommand() *cobra.Command {
	return group(&cobra.Command{
		Use: "service", Short: "Install, remove or run the Windows service",
		Example: "  stackusage-agent service install",
	}, &cobra.Command{
		Use: "install", Short: "Install the service, to start with the machine",
		Example: "  stackusage-agent service install", Args: cobra.NoArgs,
		RunE: p.manage("installed", install),
	}, &cobra.Command{
		Use: "uninstall", Short: "Stop and remove the service",
		Example: "  stackusage-agent service uninstall", Args: cobra.NoArgs,
		RunE: p.manage("uninstalled", func(string) error { return uninstall() }),
	}, &cobra.Command{
		Use: "run", Short: "Run as the service; the service manager calls this",
		Example: "  sc start stackusage-agent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := filepath.Abs(p.config) // the service starts in another folder
			if err != nil {
				return err
			}
			return runService(cmd.Context(), func(ctx context.Context) error {
				log := &lumberjack.Logger{Filename: filepath.Join(filepath.Dir(path), "logs", "agent.log"), MaxSize: 20, MaxBackups: 5}
				defer log.Close()
				err := work(ctx, path, p.getenv, log)
				if err != nil && ctx.Err() == nil {
					fmt.Fprintln(log, "stackusage-agent:", err)
				}
				return err
			})
		},
	})
}

// manage does what the service manager is asked for, and says that it is done.
func (p *program) manage(done string, what func(path string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		path, err := filepath.Abs(p.config)
		if err == nil {
			err = what(path)
		}
		if err != nil {
			return fmt.Errorf("service: %w", err)
		}
		fmt.Fprintln(cmd.OutOrStdout(), "service", serviceName, done)
		return nil
	}
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
