//go:build !windows

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"
)

func (p *program) serviceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "service", Short: "Manage the Windows service", Hidden: true,
		Example: "  stackusage-agent service install",
		RunE: func(*cobra.Command, []string) error {
			return errors.New("service: is for Windows; here systemd starts the agent: see stackusage-agent.service")
		},
	}
}

// toJournal says whether standard error is what systemd's journal reads: the variable
// alone is inherited by programs whose output goes elsewhere.
func toJournal(getenv func(string) string) bool {
	var dev, inode uint64
	if n, _ := fmt.Sscanf(getenv("JOURNAL_STREAM"), "%d:%d", &dev, &inode); n != 2 {
		return false
	}
	info, err := os.Stderr.Stat()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && uint64(st.Dev) == dev && uint64(st.Ino) == inode
}
