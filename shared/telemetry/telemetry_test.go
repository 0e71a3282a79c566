package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"stackusage/shared/telemetry"
)

func TestLogLinesCarryWhatTheContextKnows(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	call := telemetry.With(t.Context(), slog.String("function", "IngestHour"))
	one := telemetry.With(call, slog.String("invocation", "1"))
	two := telemetry.With(call, slog.String("invocation", "2"))
	for _, ctx := range []context.Context{t.Context(), call, one, two} {
		log.With(slog.String("cloudId", "c")).InfoContext(ctx, "done")
	}
	want := []map[string]string{
		{"function": "", "invocation": ""},
		{"function": "IngestHour", "invocation": ""},
		{"function": "IngestHour", "invocation": "1"},
		{"function": "IngestHour", "invocation": "2"},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines {
		var got map[string]string
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if got["level"] != "INFO" || got["msg"] != "done" || got["cloudId"] != "c" ||
			got["function"] != want[i]["function"] || got["invocation"] != want[i]["invocation"] {
			t.Errorf("line %d: %s", i+1, line)
		}
	}
}

func TestTheLevelHoldsBackWhatIsBelowIt(t *testing.T) {
	for level, want := range map[string]int{"debug": 4, "info": 3, "warn": 2, "error": 1, "ERROR": 1} {
		var out bytes.Buffer
		log, err := telemetry.NewLogger(&out, level)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.Log(t.Context(), l, "x")
		}
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %s lets %d lines pass, want %d", level, got, want)
		}
	}
	for _, level := range []string{"", "verbose"} {
		if _, err := telemetry.NewLogger(nil, level); err == nil || !strings.Contains(err.Error(), "must be debug, info, warn or error") {
			t.Errorf("level %q: %v", level, err)
		}
	}
}

func TestTextIsForPeople(t *testing.T) {
	var out bytes.Buffer
	log, err := telemetry.NewTextLogger(&out, "warn")
	if err != nil {
		t.Fatal(err)
	}
	ctx := telemetry.With(t.Context(), slog.String("function", "Sweep"))
	log.InfoContext(ctx, "held back")
	log.WarnContext(ctx, "shown", slog.Time("at", time.Date(2024, 3, 2, 12, 0, 0, 0, time.FixedZone("", 3600))))
	if text := out.String(); !regexp.MustCompile(`^time=\S+Z level=WARN msg=shown at=2024-03-02T11:00:00.000Z function=Sweep\n$`).MatchString(text) {
		t.Errorf("got %s", text)
	}
	if _, err := telemetry.NewTextLogger(nil, "loud"); err == nil {
		t.Error("a level that is not known is taken")
	}
}
