package page

import (
	"context"
	"sync"
	"time"
)

// Jobs run work in the background that pages wait for: each page shows what is there, and
// how much is left. They run one after the other, as each may use much memory.
type Jobs struct {
	ctx  context.Context
	now  func() time.Time
	mu   sync.Mutex
	jobs map[string]*Job
	turn chan struct{}
	wg   sync.WaitGroup
}

// Job is work in the background.
type Job struct {
	Running bool
	Doing   string    // how far it has come; empty while it waits for its turn
	Err     error     // of the last time it ended
	Ended   time.Time // zero: never
}

// jobPause is how long a job that has ended is not started again: a page that reloads
// itself must not send the same calls to storage that fails without an end.
const jobPause = 10 * time.Second

// NewJobs returns jobs that end with a context.
func NewJobs(ctx context.Context) *Jobs {
	return &Jobs{ctx: ctx, now: time.Now, jobs: map[string]*Job{}, turn: make(chan struct{}, 1)}
}

// Start starts a job unless one with this key runs or has just ended, and returns its
// state.
func (j *Jobs) Start(key string, work func(ctx context.Context, doing func(string)) error) Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.forget()
	if job := j.jobs[key]; job != nil {
		return *job
	}
	job := &Job{Running: true}
	j.jobs[key] = job
	j.wg.Go(func() {
		err := j.run(work, func(text string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			job.Doing = text
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		job.Running, job.Err, job.Ended = false, err, j.now()
	})
	return *job
}

// run runs a job when it is its turn.
func (j *Jobs) run(work func(context.Context, func(string)) error, doing func(string)) error {
	select {
	case j.turn <- struct{}{}:
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
	defer func() { <-j.turn }()
	return work(j.ctx, doing)
}

// forget drops the jobs that ended a while ago.
func (j *Jobs) forget() {
	for key, job := range j.jobs {
		if !job.Running && j.now().Sub(job.Ended) >= jobPause {
			delete(j.jobs, key)
		}
	}
}

// Wait waits until all jobs have ended.
func (j *Jobs) Wait() { j.wg.Wait() }
