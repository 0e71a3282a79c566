// Package functionhost stands in for the Azure Functions host (version 4) that
// runs a custom handler: it reads a staged app folder, starts the handler, and
// calls it for queue messages, timers and HTTP requests. It knows nothing of
// what the app does.
//
//	host.json, <Name>/function.json
//	        |
//	   +----v-----------------------------------------------------+
//	   | queue listener --+                                       |
//	   | timer listener --+--> invoker --POST /<Name>--> handler  |
//	   | /api/<route> ----+       |         (one process, owned   |
//	   | /admin/... ------+       |          by the supervisor)   |
//	   +--------------------------+-------------------------------+
//	                              v
//	     delete, release or poison the message;
//	     answer the HTTP caller
//
// The point of the stand-in is to be as unforgiving as the real host. An app
// that would hang, be killed or never be restarted in Azure suffers the same
// here: an empty answer hangs until functionTimeout and then costs the process
// with everything that runs in it; exit code 0 leaves the app dead while the
// host claims to be running; three crashes within half an hour stop the host;
// the process is only ever ended by SIGKILL; message properties overwrite
// trigger metadata.
//
// Package app reads the folder, package envelope writes what a function is sent, and
// package process runs the handler.
//
// # Time
//
// Options.TimeScale makes host time pass faster, so that a ten-minute lease is
// over in seconds. It applies to functionTimeout and its grace, message leases
// and their renewal, the retry delay (visibilityTimeout), polling intervals,
// the half hour over which crashes are counted, and the drain at the end.
// Polling never gets faster than every 10 ms of real time.
//
// Storage takes visibility in whole seconds, so a lease or a delay is rounded up
// to the next real second; a delay of zero stays zero. A lease is renewed at half
// of what was asked of storage. Where that is a second or two a busy machine
// loses leases, and messages are delivered twice.
//
// Timers follow a clock that runs scaled from Start: "0 0 * * * *" is due when that
// clock shows a full hour, which at a scale of 60 is once a minute. UtcNow in
// envelopes is by this clock. The times of queue messages are storage's own.
//
// Not scaled: the time the handler needs to start (initializationTimeout and the
// probe every 25 ms), because a process does not start faster; and whatever the
// handler itself does.
//
// # What is not like the real host
//
//   - One process stands for one instance: no scaling out, no singleton lock
//     around timers. Two hosts on one storage account both run every timer. The
//     status of a timer ends with its host: no run is past due.
//   - An identity is what Options.Identity says, the same for all connections;
//     __clientId is the handler's business.
//   - Triggers are queue, timer and HTTP; the requests of HTTP functions pass through to
//     the handler. There are no output bindings. Anything else in host.json and
//     function.json is an error of Start.
//   - The 230 s limit of the Azure front end on HTTP answers does not exist.
//   - functionTimeout runs from when the handler is ready, not from when the
//     message was taken.
//   - After KillHost, or a drain that ran out, messages keep their lease.
package functionhost
