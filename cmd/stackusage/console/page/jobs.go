package page

import (
	"context"
	"sync"
)

// Jobs run work in the background that pages wait for: each page shows what is there, and
// how much is left.
type Jobs struct {
	ctx  context.Context
	mu   sync.Mutex
	jobs map[string]*Job
	wg   sync.WaitGroup
}

// Job is work in the background.
type Job struct {
	Running bool
	Doing   string // how far it has come
	Err     error  // of the last time it ended
}

// NewJobs returns jobs that end with a context.
func NewJobs(ctx context.Context) *Jobs { return &Jobs{ctx: ctx, jobs: map[string]*Job{}} }

// Start starts a job unless one with this key runs, and returns its state.
func (j *Jobs) Start(key string, work func(ctx context.Context, doing func(string)) error) Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	job := j.jobs[key]
	if job != nil && job.Running {
		return *job
	}
	job = &Job{Running: true}
	j.jobs[key] = job
	j.wg.Go(func() {
		err := work(j.ctx, func(text string) {
			j.mu.Lock()
			defer j.mu.Unlock()
			job.Doing = text
		})
		j.mu.Lock()
		defer j.mu.Unlock()
		job.Running, job.Err = false, err
	})
	return *job
}

// State is that of a job.
func (j *Jobs) State(key string) Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	if job := j.jobs[key]; job != nil {
		return *job
	}
	return Job{}
}

// Wait waits until all jobs have ended.
func (j *Jobs) Wait() { j.wg.Wait() }
