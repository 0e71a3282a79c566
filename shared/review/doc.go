// Package review lists what an operator has to decide about closed usage days, and records
// the decision: who is charged and what is free was settled when the day was first closed,
// and later headers of the stack differ. Nothing is billed otherwise until somebody decides.
//
// It owns one table:
//
//	Decisions  CLOUDID / confirm_DAY_HASH  observations that are no findings any more
//
// A finding is derived, and has no row. It goes when it is confirmed (Confirm), when the
// registration says what the headers say, or when a restatement settles the day anew. An
// observation that a later revision lists anew is a finding again.
package review
