package main

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestTheJournalIsWhatStandardErrorIs(t *testing.T) {
	info, err := os.Stderr.Stat()
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]bool{"": false, "x": false, "1:2": false, fmt.Sprintf("%d:%d", st.Dev, st.Ino): true} {
		if got := toJournal(func(string) string { return stream }); got != want {
			t.Errorf("%q: %v", stream, got)
		}
	}
}
