// Package outbox keeps the batches of records that are sent to commerce, and the outcome of
// each record.
//
// It owns two tables:
//
//	UsageBatches  CLOUDID_DAY / REVISION_NUMBER  a batch, and where it stands          Batch
//	DailyUsage    CLOUDID_DAY / record           a record with its final outcome       BilledLine
//
// A batch is ready, waiting or done:
//
//	Open       (none)  -> ready       for each batch of a committed revision
//	Update     ready   -> waiting     commerce could not take it; sent again after NotBefore
//	           ready, waiting -> done  every record has its final outcome
//	AskRetry   waiting -> ready       an operator has it sent at once
//	AskSettle  ready, waiting: decided; ForwardBatch settles records that have no outcome
//
// The order of writes:
//
//	Open          the revision's mark in OpenDays -> its batches: one without a mark would be
//	              sent once and, if its message got lost, never again
//	KeepAnswers   a row for each record; the first final outcome of a record stands
//	Update        after the outcomes and the receipt are stored; by the version that was read,
//	              so that of two senders one learns that the other was first (ErrChanged)
//
// The lease of a batch (LeasedUntil, LeasedBy) has one sender at a time ask commerce.
package outbox
