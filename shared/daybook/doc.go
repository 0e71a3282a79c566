// Package daybook closes usage days. Each time, the day gets its next revision, which
// replaces the ones before; what was closed is never changed.
//
// It owns one table, and deletes marks of another:
//
//	UsageDays  CLOUDID / DAY_REVISION  a revision: its inputs, its files, who asked   Revision
//	OpenDays   see package openday
//
// A day is open from the first input until what commerce has of it is what its last
// revision says:
//
//	not open -> open            an input, a carry or a request marks the day
//	open     -> closed          Begin, Commit, Finish
//	closed   -> open, declined  FinishRevision: commerce declined a part of the last revision
//	declined -> closed          the next revision: sent again, carried forward or waived
//
// The order of writes and reads of one closing:
//
//	Begin           mark and its version -> last revision -> inputs and carries -> which of them count
//	Commit          carry and mark of the later day, if something is carried -> row in UsageDays
//	Finish          the mark goes, by the version that Begin read
//	FinishRevision  declined records into the day's mark -> the revision's mark goes
//
// The daily file, the settlement, the batches and the manifest are stored before Commit.
// Of two closers side by side one finds the number taken (ErrOtherCloser) and begins again.
// Whatever comes after Begin has given the mark another version: then Finish leaves it, and
// the day is closed once more.
//
// An operator asks for a revision in the mark (AskRestate, AskCarry, AskSettle); the
// revision that answers repeats the request's name. While one has no answer another is
// rejected, or takes its place if it asks for more of the same.
package daybook
