package benchproc

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peak is the most resident memory of this process. ru_maxrss would begin with what
// its parent had when it started it.
func peak() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, is := strings.CutPrefix(lines.Text(), "VmHWM:"); is {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}

// pin keeps this thread on one processor until back is called.
func pin() (back func() error, err error) {
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, err
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	return func() error { return unix.SchedSetaffinity(0, &before) }, unix.SchedSetaffinity(0, &one)
}

// every is how often the size of temporary files is looked at.
const every = 5 * time.Millisecond

// watch looks at the files of a process in a folder until most is called, which says how
// many bytes they had at most.
func watch(pid int, folder string) (most func() int64) {
	if folder == "" {
		return func() int64 { return 0 }
	}
	stop, peak := make(chan struct{}), make(chan int64)
	go func() {
		most, ticks := int64(0), time.NewTicker(every)
		defer ticks.Stop()
		for {
			most = max(most, size(pid, folder))
			select {
			case <-ticks.C:
			case <-stop:
				peak <- most
				return
			}
		}
	}()
	return func() int64 {
		close(stop)
		return <-peak
	}
}

// size adds up the files in a folder, and those that were unlinked there and are open.
// A file that goes meanwhile is not counted.
func size(pid int, folder string) (bytes int64) {
	seen := map[uint64]bool{}
	add := func(path string) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return
		}
		if is, ok := info.Sys().(*syscall.Stat_t); ok && !seen[is.Ino] {
			seen[is.Ino] = true
			bytes += info.Size()
		}
	}
	filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			add(path)
		}
		return nil
	})
	open := fmt.Sprintf("/proc/%d/fd", pid)
	links, _ := os.ReadDir(open)
	for _, link := range links {
		path := filepath.Join(open, link.Name())
		if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, folder+"/") {
			add(path)
		}
	}
	return bytes
}
