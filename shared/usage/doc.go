// Package usage is the vocabulary of usage reporting: hours and days in UTC,
// exact quantities, one row of a stack's usage API and the key it is summed by.
//
//	line of an hour blob -> ParseRecord -> Record{Shown, Hour, Quantity}   or a Rejection
//	                                         Shown.Key() -> Key           rows with one Key add
//	Scanner.Scan -> Scanned -> Shown         the fast path of the same, for rows of the usual shape
//
// Rows with the same key add; they never replace one another. Nothing here
// passes a quantity through a binary floating-point number.
package usage
