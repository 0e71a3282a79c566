package telemetry

import "runtime/debug"

// Version is that of the program, as it was built; empty if the build does not tell.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
}
