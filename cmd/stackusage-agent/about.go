package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// about is what the --help of a command says before its flags.
var about = map[string]string{
	"doctor": doctorHelp,
	"activate": `stackusage-agent activate KEY writes the configuration from the activation key
that the registration shows, and says what is left to fill in. There is no secret
in a key. A file that is there is not touched without --force.
`,
	"config": `stackusage-agent config check says all that is wrong with the configuration, and
reaches out to nobody. stackusage-agent config sample prints a configuration with
every key explained.
`,
	"run": `stackusage-agent run is the service: each reported hour is collected when it is
due, oldest first, and dropped, until the program is told to stop (SIGTERM, or an
interrupt). What fails is logged and tried again.

Exit code: 0 it was told to stop, 1 it could not begin, 2 its end took longer than
timeouts.shutdown.
`,
	"once": `stackusage-agent once collects and drops all that is due now, and ends. What
failed before is tried again at once, and files that storage refused are offered
again. With --to it leaves that hour and those after it alone. It is refused beside a
service that runs on the same spool.

Exit code: 0 all is done, 2 an hour failed, the stack or storage was away, or it
was interrupted: run it again to go on. 1 it could not begin.
`,
	"backfill": `stackusage-agent backfill --from 2019-12-10T19:00:00Z --to 2019-12-11T06:00:00Z
collects the reported hours from --from up to, but not including, --to again,
whether or not they were, and drops them. No hour before firstHour is taken, nor
one that is not over. If it is interrupted, call it again with the same range. It
is refused beside a service that runs on the same spool.

Exit code: 0 all is done, 2 an hour failed, the stack or storage was away, or it
was interrupted. 1 it could not begin.
`,
	"status": `stackusage-agent status tells of the last hour, the next one, what waits and what
went wrong. It reads the files of the spool, changes nothing and may be called at any
time.

Exit code: 0 nothing is open. 2 an hour is late, fails or is not stored, nothing can
be collected or stored, the spool is over a limit, or no agent runs. 1 it could not
look.
`,
}

// flagSet is the flags of a command, such as once or config check.
func flagSet(name string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		command, _, _ := strings.Cut(name, " ")
		fmt.Fprintf(stderr, "%s\nFlags of %s:\n", about[command], name)
		fs.PrintDefaults()
	}
	return fs
}
