package metrics

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// listenAgain is how long a port that is taken is left alone.
const listenAgain = time.Minute

// Serve answers scrapes until ctx ends. A port that somebody else has must
// not keep hours from being collected: it is logged and tried again.
func (m *Metrics) Serve(ctx context.Context, listen string, log *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	for ctx.Err() == nil {
		err := serve(ctx, listen, mux, log)
		if ctx.Err() != nil {
			return
		}
		log.ErrorContext(ctx, "metrics not served, all else continues; free the address in metrics.listen or set another one",
			slog.String("metrics.listen", listen), slog.String("error", err.Error()), slog.Duration("nextTry", listenAgain))
		select {
		case <-ctx.Done():
		case <-time.After(listenAgain):
		}
	}
}

func serve(ctx context.Context, listen string, handler http.Handler, log *slog.Logger) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })() // a scrape is not worth waiting for
	log.InfoContext(ctx, "metrics served", slog.String("address", "http://"+ln.Addr().String()+"/metrics"))
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
