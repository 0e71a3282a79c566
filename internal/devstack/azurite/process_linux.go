package azurite

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the child when this process is killed: an emulator that
// outlives a killed test run would hold its ports for ever.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
