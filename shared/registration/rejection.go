package registration

// Kind is the kind of a rejection.
type Kind int

// Kinds of rejection.
const (
	Invalid  Kind = iota // nothing can be done with the request
	NotFound             // what it is about is not there
	Clash                // it contradicts what is there
	Stale                // it was made of another version than there is
)

// Rejection is why a change was not made, and what to do.
type Rejection struct {
	Code    string // Azure's own where it has one
	Kind    Kind
	Message string
}

func (r *Rejection) Error() string { return r.Code + ": " + r.Message }
