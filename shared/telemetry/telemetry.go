// Package telemetry sets up logs for mains: slog with a level, as JSON lines or as
// text. The function app writes them to standard output, because the Functions
// host takes each line of standard error for an error. Log lines carry what the
// context knows: function, invocation.
//
// Never logged: tags (they may hold personal data), secrets, one line per row.
package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

type attrsKey struct{}

// With adds attributes to every log line written with the returned context.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	have, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return context.WithValue(ctx, attrsKey{}, append(have[:len(have):len(have)], attrs...))
}

// NewLogger makes a logger of level debug, info, warn or error that writes JSON.
func NewLogger(w io.Writer, level string) (*slog.Logger, error) {
	l, err := parseLevel(level)
	if err != nil {
		return nil, err
	}
	return slog.New(handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})}), nil
}

// NewTextLogger is NewLogger for people: key=value, times in UTC.
func NewTextLogger(w io.Writer, level string) (*slog.Logger, error) {
	l, err := parseLevel(level)
	if err != nil {
		return nil, err
	}
	return slog.New(handler{slog.NewTextHandler(w, &slog.HandlerOptions{Level: l, ReplaceAttr: inUTC})}), nil
}

func inUTC(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

func parseLevel(text string) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return 0, fmt.Errorf("log level %q: must be debug, info, warn or error", text)
	}
	return level, nil
}

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(attrsKey{}).([]slog.Attr); ok {
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

type loggerKey struct{}

// WithLogger makes log the logger of what runs with the returned context.
func WithLogger(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, log)
}

// Logger is the logger of what runs with the context. Without one nothing is logged.
func Logger(ctx context.Context) *slog.Logger {
	if log, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return log
	}
	return slog.New(slog.DiscardHandler)
}
