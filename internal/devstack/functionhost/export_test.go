package functionhost

// HandlerPID is the process id of the handler; 0 while there is none, as during
// a restart. A handler that exited with code 0 keeps its id.
func (h *Host) HandlerPID() int {
	if p := h.sup.Running(); p != nil {
		return p.PID()
	}
	return 0
}
