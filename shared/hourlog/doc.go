// Package hourlog keeps what became of each landed hour blob: whether it is accepted, why it
// is not, what an operator decided about it, and its rejected rows.
//
// It owns two tables:
//
//	UsageHours  CLOUDID_DAY / HH_SHA16  a landed blob with its verdict          Hour
//	            CLOUDID_DAY / HH        the pointer: the blob that is accepted  Hour.Counts
//	Quarantine  CLOUDID_DAY / HH_SHA16_LINE  a rejected row of a blob           Quarantined
//
// At most one blob is accepted for a reported hour, the one that the pointer names: it counts.
// A verdict changes like this:
//
//	Commit        (none), unregistered -> accepted      or duplicate, conflict: another blob counts
//	Record        (none), unregistered -> rejected, duplicate, unregistered
//	KeepOut       conflict -> kept-out
//	AskTakeOver   conflict, duplicate, voided, excluded: decided; TakeOver -> accepted
//	AskCorrect    (none): a corrected blob, decided;        TakeOver -> accepted
//	TakeOver      of the blob that leaves: accepted -> voided
//	Exclude       accepted -> excluded, or -> unregistered where its registration ended
//	AskReingest   rejected: decided; the next ingest gives the verdict
//
// Writes are in an order that a crash at any point leaves true, and each may be repeated:
//
//	Commit    inputs of usage days -> marks in OpenDays -> pointer and blob, one transaction
//	TakeOver  pointer names the challenger (AskTakeOver, AskCorrect) -> inputs -> marks of
//	          the days of both blobs -> pointer and both blobs, one transaction
//	Exclude   pointer says that the blob leaves -> marks -> pointer and blob, one transaction
//	Dismiss   rows -> the pointer is read again: a corrected blob that counts by then gets
//	          the dismissals too
//
// So whoever sees an hour that counts finds its days open, and no closer takes a mark away
// while the pointer says that the hour is about to change. The partials and the rejected
// rows of a blob are stored before it counts. docs/formats/tables.md lists the columns.
package hourlog
