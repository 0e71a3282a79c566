package reconcile

import (
	"fmt"

	"stackusage/shared/usage"
)

// Kind says what makes the stack's number and the bill's differ. Its values are
// public: they are in the JSON.
type Kind string

// Kinds, in the order of the way from the stack to the bill.
const (
	HourNotAccepted   Kind = "hourNotAccepted"          // the stack has the reported hour, and no file of it counts
	HourDiffers       Kind = "hourDiffers"              // the stack says something else now than in the file that counts
	Quarantined       Kind = "quarantined"              // the row is refused
	UsedEarlier       Kind = "usedEarlier"              // used on an earlier day, reported on this one
	ReportedLater     Kind = "reportedLater"            // used on this day, reported on a later one
	Redriven          Kind = "redriven"                 // a rejected row that was sent again
	NotClosed         Kind = "notClosed"                // counts, and the usage day is not closed yet
	NotCorrected      Kind = "notCorrected"             // counts since the day was closed; the correction is still to come
	NotReversed       Kind = "notReversed"              // does not count any more; the correction is still to come
	CarriedIn         Kind = "carriedIn"                // usage of another day that this day bills
	CarriedAway       Kind = "carriedAway"              // billed on another day
	Waived            Kind = "waived"                   // an operator decided not to bill it
	ReportingOff      Kind = "reportingOff"             // counted, and forwarded nowhere
	NoOutcome         Kind = "noOutcome"                // sent, or to be sent, without commerce's answer
	Rejected          Kind = "rejected"                 // refused by commerce
	Expired           Kind = "expired"                  // too late for commerce
	Conflict          Kind = "conflict"                 // commerce keeps another quantity
	Reclassified      Kind = "reclassified"             // on the meter's other line: the stack's own usage, or not
	OtherSubscription Kind = "otherBillingSubscription" // charged to a subscription that the file is not of
	NotInFile         Kind = "notInFile"                // accepted, and not in the file
	OutcomeNotRead    Kind = "outcomeNotRead"           // in the file, and its answer is not in DailyUsage yet
)

var order = func() map[Kind]int {
	order := map[Kind]int{}
	for i, k := range []Kind{HourNotAccepted, HourDiffers, Quarantined, UsedEarlier, ReportedLater, Redriven, NotClosed, NotCorrected, NotReversed,
		CarriedIn, CarriedAway, Waived, ReportingOff, NoOutcome, Rejected, Expired, Conflict, Reclassified, OtherSubscription, NotInFile, OutcomeNotRead} {
		order[k] = i
	}
	return order
}()

// delayed reports whether causes of the kind are told apart by hours of delay.
func (k Kind) delayed() bool { return k == UsedEarlier || k == ReportedLater }

// Cause is one reason for a difference, and how much of it.
type Cause struct {
	Kind     Kind            `json:"kind"`
	Delay    *int            `json:"delayHours,omitempty"` // from the usage hour to the reported hour
	Reported *HourSpan       `json:"reported,omitempty"`   // first and last reported hour of the rows
	Detail   string          `json:"detail,omitempty"`
	Quantity usage.Quantity  `json:"quantity"`         // what it adds to the stack's number on the way to the bill's
	Amount   *usage.Quantity `json:"amount,omitempty"` // that at the line's rate
}

// HourSpan is from one hour to another, both included.
type HourSpan struct {
	First usage.Hour `json:"first"`
	Last  usage.Hour `json:"last"`
}

// String is 2019-12-11T00:00Z, or 2019-12-11T00:00Z to 2019-12-11T05:00Z.
func (s HourSpan) String() string {
	text := s.First.String()
	if s.Last != s.First {
		text += " to " + s.Last.String()
	}
	return text
}

func (c Cause) hours() int {
	if c.Delay == nil {
		return 0
	}
	return *c.Delay
}

// String says the cause in words.
func (c Cause) String() string {
	switch c.Kind {
	case UsedEarlier:
		return fmt.Sprintf("used before, reported in it, %d h after (at %s)", c.hours(), c.Reported)
	case ReportedLater:
		return fmt.Sprintf("used in it, reported later, %d h after (at %s)", c.hours(), c.Reported)
	}
	return fmt.Sprintf(words[c.Kind], c.Detail)
}

// words of the other kinds; %s is the detail.
var words = map[Kind]string{
	HourNotAccepted:   "reported, and not accepted: %s",
	HourDiffers:       "the accepted file differs from the stack: %s",
	Quarantined:       "rejected rows: %s (stackusage quarantine list)",
	Redriven:          "rejected rows that were resubmitted%s",
	NotClosed:         "accepted; the usage day is not closed yet%s",
	NotCorrected:      "accepted since %s; its correction is to come",
	NotReversed:       "not accepted any more since %s; its correction is to come",
	CarriedIn:         "usage of %s, carried forward into this day",
	CarriedAway:       "carried forward to %s, which bills it",
	Waived:            "not billed by an operator's decision%s (stackusage day list)",
	ReportingOff:      "accepted and not forwarded: reporting is off%s",
	NoOutcome:         "not answered by commerce yet, %s",
	Rejected:          "declined by commerce, %s",
	Expired:           "too late for commerce, %s (stackusage day list-declined)",
	Conflict:          "commerce keeps another quantity, %s",
	Reclassified:      "stands on the meter's other line: user's, or the stack's own%s",
	OtherSubscription: "charged to %s, which the file is not of",
	NotInFile:         "accepted by commerce, and not in the file, %s",
	OutcomeNotRead:    "in the file, and commerce's response not read yet, %s",
}
