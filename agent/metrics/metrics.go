// Package metrics counts what an agent does, for Prometheus. A Metrics has a
// registry of its own: nothing is registered that is not listed here. Who
// listens for scrapes, and on which loopback address, is the program's business.
package metrics

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Names of the steps in Failures.
const (
	StepCollect = "collect"
	StepUpload  = "upload"
)

// Metrics are the counters of one agent. All names begin with stackusage_agent_.
type Metrics struct {
	HoursCollected     prometheus.Counter // hours_collected_total: sealed in the spool
	Rows               prometheus.Counter // rows_collected_total: in those hours
	Pages              prometheus.Counter // pages_collected_total: of the usage API, in those hours
	Retries            prometheus.Counter // retries_total: pages asked for again
	HoursUploaded      prometheus.Counter // hours_uploaded_total: stored, or found stored
	NotReady           prometheus.Counter // not_ready_total: answers "not yet", which are no failure
	PartialHours       prometheus.Counter // partial_hours_total: asked subscriber by subscriber
	SubscribersSkipped prometheus.Counter // subscribers_skipped_total: left out of an hour that is collected subscriber by subscriber, because they are not direct tenants of the stack
	ChangedPages       prometheus.Counter // changed_pages_total: pages that differed when asked for again
	OddRows            prometheus.Counter // odd_rows_total: usage hour not plausible, kept as sent
	Damaged            prometheus.Counter // damaged_files_total: set aside, their hours collected again
	Checked            prometheus.Counter // checked_hours_total: asked for once more after they were sealed
	Changed            prometheus.Counter // changed_hours_total: of those, with other rows, sealed a second time
	FilesRejected      prometheus.Counter // rejected_files_total: set aside as storage rejects them
	Pruned             prometheus.Counter // pruned_files_total: sent files deleted after their time

	failures      *prometheus.CounterVec
	backlogHours  prometheus.Gauge
	backlogBytes  prometheus.Gauge
	nextHour      prometheus.Gauge
	lastCollected prometheus.Gauge
	lastUploaded  prometheus.Gauge
	tenantsStale  prometheus.Gauge
	oldest        atomic.Int64 // Unix seconds of the end of the oldest spooled hour; 0 for none
	ends          *prometheus.GaugeVec
	due           atomic.Int64 // Unix seconds of when the next hour is due; 0 before it is known
	registry      *prometheus.Registry
	now           func() time.Time
}

// New makes the metrics of one agent; now is its clock.
func New(now func() time.Time) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), now: now}
	add := promauto.With(m.registry)
	counter := func(name, help string) prometheus.Counter {
		return add.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return add.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
	}
	m.HoursCollected = counter("hours_collected_total", "Reported hours sealed in the spool.")
	m.Rows = counter("rows_collected_total", "Usage rows in the hours collected.")
	m.Pages = counter("pages_collected_total", "Pages of the usage API in the hours collected.")
	m.Retries = counter("retries_total", "Requests to the stack asked again.")
	m.HoursUploaded = counter("hours_uploaded_total", "Hour files stored in Azure Storage.")
	m.NotReady = counter("not_ready_total", "Answers of the stack that the hour is not ready yet.")
	m.PartialHours = counter("partial_hours_total", "Hours asked for subscriber by subscriber.")
	m.SubscribersSkipped = counter("subscribers_skipped_total", "Subscribers left out of such hours, because they are not direct tenants of the stack.")
	m.ChangedPages = counter("changed_pages_total", "Pages that had other rows when asked for again; their hours were asked for anew.")
	m.OddRows = counter("odd_rows_total", "Rows whose usage hour is not plausible; kept as sent.")
	m.Damaged = counter("damaged_files_total", "Sealed files that were torn, set aside and collected again.")
	m.Checked = counter("checked_hours_total", "Hours asked for once more after they were sealed.")
	m.Changed = counter("changed_hours_total", "Hours that had other rows when they were asked for once more.")
	m.FilesRejected = counter("rejected_files_total", "Hour files set aside as storage rejects them, each time they are offered.")
	m.Pruned = counter("pruned_files_total", "Uploaded files deleted from the spool after their time.")
	m.failures = add.NewCounterVec(prometheus.CounterOpts{Name: prefix + "failures_total", Help: "Failed tries to collect or to upload."}, []string{"step"})
	for _, step := range []string{StepCollect, StepUpload} {
		m.failures.WithLabelValues(step) // at zero from the start, so that a rate can be taken
	}
	m.ends = add.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "credential_end_timestamp_seconds", Help: "When what the agent signs in with ends, as far as it is known."}, []string{"credential"})
	m.backlogHours = gauge("backlog_hours", "Hour files in the spool that wait to be uploaded.")
	m.backlogBytes = gauge("backlog_bytes", "Bytes of the hour files that wait to be uploaded.")
	m.nextHour = gauge("next_hour_timestamp_seconds", "Start of the oldest reported hour that is not collected.")
	m.lastCollected = gauge("last_collected_timestamp_seconds", "When an hour was last sealed by this process.")
	m.lastUploaded = gauge("last_uploaded_timestamp_seconds", "When an hour was last uploaded by this process.")
	m.tenantsStale = gauge("tenants_stale", "1 if the stack's list of subscriptions could not be read for the last hour.")
	add.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "oldest_spooled_hour_age_seconds", Help: "Time since the end of the oldest reported hour in the backlog; 0 without backlog."}, m.age)
	add.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "lag_seconds", Help: "Time since the oldest reported hour that is not collected was due; 0 if it is not due."}, m.lag)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const prefix = "stackusage_agent_"

func (m *Metrics) age() float64 {
	oldest := m.oldest.Load()
	if oldest == 0 {
		return 0
	}
	return max(0, m.now().Sub(time.Unix(oldest, 0)).Seconds())
}

// Failed counts a failure of a step, StepCollect or StepUpload.
func (m *Metrics) Failed(step string) { m.failures.WithLabelValues(step).Inc() }

// Backlog says what waits to be uploaded; oldest is the end of the oldest hour,
// zero without backlog.
func (m *Metrics) Backlog(hours int, bytes int64, oldest time.Time) {
	m.backlogHours.Set(float64(hours))
	m.backlogBytes.Set(float64(bytes))
	if oldest.IsZero() {
		m.oldest.Store(0)
		return
	}
	m.oldest.Store(oldest.Unix())
}

// Next says which hour is to be collected next, by its start, and when it is due.
func (m *Metrics) Next(hour, due time.Time) {
	m.nextHour.Set(float64(hour.Unix()))
	m.due.Store(due.Unix())
}

// lag is how long ago the next hour was due.
func (m *Metrics) lag() float64 {
	due := m.due.Load()
	if due == 0 {
		return 0
	}
	return max(0, m.now().Sub(time.Unix(due, 0)).Seconds())
}

// Collected and Uploaded say when a step last succeeded.
func (m *Metrics) Collected(at time.Time) { m.lastCollected.Set(float64(at.Unix())) }

// Uploaded is as Collected.
func (m *Metrics) Uploaded(at time.Time) { m.lastUploaded.Set(float64(at.Unix())) }

// TenantsStale says whether the map of the last hour was an older one.
func (m *Metrics) TenantsStale(stale bool) {
	value := 0.0
	if stale {
		value = 1
	}
	m.tenantsStale.Set(value)
}

// Ends says when each credential ends.
func (m *Metrics) Ends(ends map[string]time.Time) {
	for what, end := range ends {
		m.ends.WithLabelValues(what).Set(float64(end.Unix()))
	}
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
