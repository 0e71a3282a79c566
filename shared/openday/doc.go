// Package openday keeps which usage days have something to close, and what they are made
// of. The packages hourlog, daybook and outbox meet here: who changes what a day is made of
// marks the day, and who closes it takes the mark away.
//
// It owns two tables:
//
//	OpenDays   CLOUDID / DAY           the day has something to close          Mark
//	           CLOUDID / DAY_REVISION  a revision waits for commerce's outcomes
//	DayInputs  CLOUDID_DAY / HOUR_SHA16           the part that an hour blob has of the day   Input
//	           CLOUDID_DAY / carry_DAY_REV_SHA16  what is carried into it from another day    Carry
//
// An input counts when its hour blob does, a carry when its revision does: neither row
// changes for that.
//
// Writes:
//
//	Open      all inputs of an hour blob, that of its own day first -> the marks of their days
//	Touch     a new version of the mark: a closer that read an older one will not delete it
//	Update    Touch, with what an operator asks for or commerce declined
//
// The mark is written after the input and before whatever makes it count, so that a day
// that is not as it was closed is always marked. Only daybook.Finish and
// daybook.FinishRevision delete marks, each by the version that it read.
package openday
