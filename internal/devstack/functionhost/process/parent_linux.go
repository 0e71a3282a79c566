package process

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the handler when this process is killed: an orphan would
// hold its port and go on writing to storage.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
