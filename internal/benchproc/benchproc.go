// Package benchproc measures the step of a benchmark in a process of its own: the test
// binary runs itself again. Memory that another step had, or the benchmark to make its
// input, is in no number, and the CPU time is that of all threads, the garbage
// collector's too.
package benchproc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// Step prepares what it measures, and gives it: run is timed. The values are for the
// benchmark.
type Step func(args []byte) (run func() (values map[string]float64, err error), err error)

// Measured is what one run of a step took.
type Measured struct {
	Wall   time.Duration // of run alone
	CPU    time.Duration // of the whole process, user and system
	Peak   int64         // bytes of its resident memory, at most
	Temp   int64         // bytes of its files in the folder that was watched, at most
	Values map[string]float64
}

// Options of Run.
type Options struct {
	Procs  int    // GOMAXPROCS; 0: 2
	OneCPU bool   // the kernel runs all its threads on one processor
	Temp   string // a folder whose files are watched, unlinked ones that are open too
}

const (
	stepVariable = "STACKUSAGE_BENCH_STEP"
	argsVariable = "STACKUSAGE_BENCH_ARGS"
)

// Main is the TestMain of a package with benchmarks.
func Main(m *testing.M, steps map[string]Step) {
	Child(steps)
	os.Exit(m.Run())
}

// Child runs the step and ends the process if this is the process of a step. It is the
// first that TestMain does.
func Child(steps map[string]Step) {
	name := os.Getenv(stepVariable)
	if name == "" {
		return
	}
	if err := measure(steps[name]); err != nil {
		fmt.Fprintf(os.Stderr, "step %s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// measure runs a step and writes what it took to the pipe of the benchmark.
func measure(step Step) error {
	if step == nil {
		return errors.New("no such step")
	}
	run, err := step([]byte(os.Getenv(argsVariable)))
	if err != nil {
		return err
	}
	begin := time.Now()
	values, err := run()
	m := Measured{Wall: time.Since(begin), Values: values}
	if err != nil {
		return err
	}
	if m.Peak, err = peak(); err != nil {
		return err
	}
	return json.NewEncoder(os.NewFile(3, "pipe")).Encode(m)
}

// Run runs a step in a process of its own.
func Run(b testing.TB, step string, args any, o Options) Measured {
	b.Helper()
	m, err := Start(step, args, o)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// Start is Run for a goroutine of the benchmark: several processes at once.
func Start(step string, args any, o Options) (m Measured, err error) {
	program, err := os.Executable()
	if err != nil {
		return m, err
	}
	text, err := json.Marshal(args)
	if err != nil {
		return m, err
	}
	if o.Procs == 0 {
		o.Procs = 2
	}
	out, in, err := os.Pipe()
	if err != nil {
		return m, err
	}
	defer out.Close()
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), stepVariable+"="+step, argsVariable+"="+string(text), "GOMAXPROCS="+strconv.Itoa(o.Procs))
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{in}
	err = start(cmd, o.OneCPU)
	in.Close()
	if err != nil {
		return m, err
	}
	temp := watch(cmd.Process.Pid, o.Temp)
	decoded := json.NewDecoder(out).Decode(&m)
	err = cmd.Wait()
	m.Temp, m.CPU = temp(), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	if err = errors.Join(err, decoded); err != nil {
		return m, fmt.Errorf("step %s: %w", step, err)
	}
	return m, nil
}

// start starts a process; a process inherits the processors of the thread that starts it.
func start(cmd *exec.Cmd, oneCPU bool) error {
	if !oneCPU {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	back, err := pin()
	if err != nil {
		return err
	}
	return errors.Join(cmd.Start(), back())
}

// Mean is the mean of two runs: what the machine did around what ran between them.
func (m Measured) Mean(other Measured) Measured {
	return Measured{Wall: (m.Wall + other.Wall) / 2, CPU: (m.CPU + other.CPU) / 2}
}

// Gunzip is gzip -dc of a file, its output thrown away.
func Gunzip(b testing.TB, path string) (m Measured) {
	b.Helper()
	cmd := exec.Command("gzip", "-dc", path)
	begin := time.Now()
	if err := cmd.Run(); err != nil { // without Stdout it is the null device
		b.Fatalf("gzip -dc %s: %v", path, err)
	}
	m.Wall = time.Since(begin)
	m.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return m
}
