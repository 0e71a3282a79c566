package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/config"
	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/shared/telemetry"
)

// job is an agent that has its spool, and the configuration it came from.
type job struct {
	*agent.Agent
	conf config.Config
}

// begin makes the agent of a configuration and takes its spool, which is to be
// closed. It reaches out to nobody. level is the log level; empty means what the
// configuration says.
func begin(path string, getenv func(string) string, out io.Writer, level func(configured string) string) (*job, error) {
	p, err := load(path, getenv)
	if err != nil {
		return nil, err
	}
	if toJournal(getenv) {
		out = journal{out}
	}
	log, err := newLog(out, level(p.conf.Log.Level), p.conf.Log.Format)
	if err != nil {
		return nil, err
	}
	dir := spoolDir(p.conf)
	if err := checkUser(dir, os.Geteuid()); err != nil {
		return nil, err
	}
	sp, err := spool.Open(dir)
	if err != nil {
		return nil, err
	}
	sp.Limits = limits(p.conf)
	m := metrics.New(time.Now)
	p.clocks.Jumped = func(host string, ahead, before time.Duration) {
		log.Warn("clock differs from this machine's, or one of the two was set", slog.String("host", host), slog.Duration("ahead", ahead), slog.Duration("before", before))
	}
	p.stack.retried = func(ctx context.Context, answer *stackapi.Error, wait time.Duration) {
		m.Retries.Inc()
		log.InfoContext(ctx, "request to the stack repeated", slog.String("answer", answer.Error()), slog.Duration("wait", wait))
	}
	var storage agent.Storage
	if p.storage != nil {
		storage = blobs.Storage{Client: p.storage, Timeout: p.conf.Timeouts.Upload}
	}
	return &job{conf: p.conf, Agent: &agent.Agent{
		Source: p.stack, Storage: storage, Spool: sp, Stack: header(p.conf), Settings: settings(p.conf), Log: log, Now: time.Now, Metrics: m,
		Ends: nowAndThen(time.Minute, func() map[string]time.Time { return ends(p.conf, getenv) }),
	}}, nil
}

func newLog(out io.Writer, level, format string) (*slog.Logger, error) {
	if format == "text" {
		return telemetry.NewTextLogger(out, level)
	}
	return telemetry.NewLogger(out, level)
}

// nowAndThen keeps what a function returned for a while: to open a PFX file takes a
// second of work.
func nowAndThen[T any](every time.Duration, fn func() T) func() T {
	var mu sync.Mutex
	var value T
	var at time.Time
	return func() T {
		mu.Lock()
		defer mu.Unlock()
		if at.IsZero() || time.Since(at) >= every {
			value, at = fn(), time.Now()
		}
		return value
	}
}

// journal marks each line of the log with its priority, as the journal wants it.
type journal struct{ w io.Writer }

func (j journal) Write(line []byte) (int, error) {
	priority := "<6>"
	for level, p := range map[string]string{"ERROR": "<3>", "WARN": "<4>", "DEBUG": "<7>"} {
		head := line[:min(len(line), 80)] // time, and level
		if bytes.Contains(head, []byte(`"level":"`+level+`"`)) || bytes.Contains(head, []byte(" level="+level+" ")) {
			priority = p
		}
	}
	if _, err := j.w.Write(append([]byte(priority), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// spoolDir is the folder of the registration's own.
func spoolDir(conf config.Config) string { return filepath.Join(conf.Spool.Dir, conf.CloudID) }

func limits(conf config.Config) spool.Limits {
	return spool.Limits{MaxBytes: int64(conf.Spool.MaxBytes), MinFree: int64(conf.Spool.MinFree), ByHand: conf.Storage.None}
}

func settings(conf config.Config) agent.Settings {
	return agent.Settings{
		First: *conf.FirstHour, Delay: conf.Collect.Delay, MaxCatchUp: conf.Collect.MaxCatchUp, Interval: conf.Collect.Interval,
		Jitter: conf.Collect.Jitter, KeepSent: conf.Spool.KeepSent, MaxAge: conf.Spool.MaxAge,
		ByHand: conf.Storage.None, NoSplit: !bool(conf.Collect.SplitAfter504s), CheckAfter: conf.Collect.CheckAfter,
	}
}

func header(conf config.Config) agent.Stack {
	return agent.Stack{
		CloudID: conf.CloudID, Region: conf.Stack.Region, Domain: conf.Stack.Domain, AgentVersion: version,
		ProviderSubscriptions: ownSubscriptions(conf.Stack.ProviderSubscription, conf.Stack.InfrastructureSubscriptions),
	}
}

// ownSubscriptions is what the stack's own services run under: the default provider
// subscription, whoever forgets to name it, and the others, each once.
func ownSubscriptions(provider string, others []string) []string {
	list := []string{provider}
	for _, id := range others {
		if !slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, id) }) {
			list = append(list, id)
		}
	}
	return list
}

// checkUser refuses to write into the spool of another user's agent. Only root
// could, and would leave files that the service cannot read.
func checkUser(dir string, uid int) error {
	if owner, known := spool.Owner(dir); known && uid >= 0 && owner != uid {
		return fmt.Errorf("use spool %s: it belongs to user %d, and this is user %d, whose files the agent of that user could not read: "+
			"run this as that user; if that is the service's, see \"Run as the user of the service\" in docs/agent.md", dir, owner, uid)
	}
	return nil
}
