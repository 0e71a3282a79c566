//go:build unix

package console

import (
	"os/exec"
	"syscall"
)

// setApart keeps Ctrl+C, which a terminal sends to a whole group of processes, from the
// browser.
func setApart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
