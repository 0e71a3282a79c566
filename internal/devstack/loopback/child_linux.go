package loopback

import (
	"os/exec"
	"syscall"
)

// DieWithParent ends the child when this process is killed: one that outlives a
// killed test run would hold its ports for ever.
func DieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
