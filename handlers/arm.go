package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"stackusage/shared/invoke"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/strictjson"
)

// The registration API is shaped like Azure Resource Manager's: the same
// properties, error bodies and ETags, below /api/ in place of a subscription's
// resource group. Who calls is for the host to check, by a function key, and in
// Azure for Entra ID as well (principal.go, docs/operations.md).

const (
	maxRequest     = 64 << 10 // bytes of a body
	requestTimeout = time.Minute
)

// answer is what an HTTP function replies: a status and a JSON object.
type answer struct {
	status int
	body   any
	etag   string
}

// page is the work of one HTTP function.
type page func(ctx context.Context, r *http.Request) (answer, error)

// refuse is a Rejection of our own.
func refuse(kind registration.Kind, code, format string, args ...any) error {
	return &registration.Rejection{Code: code, Kind: kind, Message: fmt.Sprintf(format, args...)}
}

var errTooLarge = &registration.Rejection{Code: "RequestEntityTooLarge", Message: fmt.Sprintf("the body is longer than %d bytes", maxRequest)}

var statusOf = map[registration.Kind]int{
	registration.Invalid: http.StatusBadRequest, registration.NotFound: http.StatusNotFound,
	registration.Clash: http.StatusConflict, registration.Stale: http.StatusPreconditionFailed,
}

// arm runs a page and answers in Resource Manager's way.
func (a *App) arm(do page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		log := a.Log.With(slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("invocation", r.Header.Get(invoke.HeaderInvocationID)))
		got, err := do(ctx, r)
		var rejection *registration.Rejection
		switch {
		case err == nil:
			log.InfoContext(ctx, "request served", slog.Int("status", got.status), slog.String("by", caller(r)))
		case errors.As(err, &rejection):
			got = armError(statusOf[rejection.Kind], rejection.Code, rejection.Message)
			if rejection == errTooLarge {
				got.status = http.StatusRequestEntityTooLarge
			}
			log.WarnContext(ctx, "request rejected", slog.String("code", rejection.Code))
		case errors.Is(err, registration.ErrChanged):
			got = armError(http.StatusConflict, "ConcurrentChange", "others change the registration at the same time; send the request again")
		default:
			log.ErrorContext(ctx, "request failed", slog.String("error", err.Error()))
			got = armError(http.StatusInternalServerError, "InternalServerError", "storage does not answer, or holds what cannot be read; the log says more")
		}
		got.write(w)
	})
}

func (got answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if got.etag != "" {
		w.Header().Set("ETag", got.etag)
	}
	w.WriteHeader(got.status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(got.body) // the client may be gone
}

func armError(status int, code, message string) answer {
	return answer{status: status, body: map[string]any{"error": map[string]string{"code": code, "message": message}}}
}

// readRequest reads a body that must be JSON with no name that v does not have.
func readRequest(r *http.Request, v any) error {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	if len(text) > maxRequest {
		return errTooLarge
	}
	return decodeRequest(text, v)
}

func decodeRequest(text []byte, v any) error {
	if err := strictjson.UnmarshalKnown(text, v); err != nil {
		return refuse(registration.Invalid, "InvalidRequestContent", "the body is not the JSON of this resource: %v", err)
	}
	return nil
}

// note is who and why of a change.
func note(r *http.Request, reason string) registration.Note {
	return registration.Note{By: caller(r), Reason: cmp.Or(reason, "through the registration API")}
}

// condition reads If-Match and If-None-Match.
func condition(r *http.Request) (c registrar.Condition, err error) {
	switch match := r.Header.Get("If-None-Match"); match {
	case "":
	case "*":
		c.New = true
	default:
		return c, refuse(registration.Invalid, "InvalidHeaderValue", "If-None-Match: only * is known")
	}
	match := r.Header.Get("If-Match")
	if match == "" {
		return c, nil
	}
	if match == "*" {
		c.Exists = true
		return c, nil
	}
	var version int
	if _, err := fmt.Sscanf(match, `"%d"`, &version); err != nil || fmt.Sprintf(`"%d"`, version) != match {
		version = -1 // an ETag that was never ours is not that of any version
	}
	c.Version = &version
	return c, nil
}

// apiDay reads a day as the API shows it; empty if there is none.
func apiDay(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return "", refuse(registration.Invalid, "InvalidEffectiveDay", "effectiveDay %.40q: must be of the form 2019-12-10", text)
	}
	return t.Format("20060102"), nil
}

// apiTime reads an hour of the API; the zero time if there is none.
func apiTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, refuse(registration.Invalid, "Invalid"+strings.ToUpper(name[:1])+name[1:], "%s %.40q: must be of the form 2019-12-10T19:00:00Z", name, text)
	}
	return t.UTC(), nil
}
