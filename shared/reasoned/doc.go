// Package reasoned is what every decision of an operator has in common: who decided, why
// and when, what a row can hold of it, and the error of a decision that is not possible.
package reasoned
