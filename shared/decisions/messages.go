package decisions

import (
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
)

// messages reads what operators decided about messages that no function could process. Of
// one that was sent again the last time is recorded, whoever sent it.
func (r *run) messages() error {
	for m, err := range queue.FailedMessages(r.ctx, r.tables) {
		if err != nil {
			return err
		}
		d := Decision{CloudID: stackOf(m), Queue: m.Queue, Message: m.Key()}
		if m.ResentBy != "" {
			d.Kind, d.Decision = MessageResend, reasoned.Decision{By: m.ResentBy, Reason: m.ResendReason, At: m.LastResent}
			r.add(d)
		}
		if !m.DismissedAt.IsZero() {
			d.Kind, d.Decision = MessageDismiss, reasoned.Decision{By: m.DismissedBy, Reason: m.DismissReason, At: m.DismissedAt}
			r.add(d)
		}
	}
	return nil
}

// stackOf is the stack that a message is about; empty if it cannot be read.
func stackOf(m queue.FailedMessage) string {
	switch m.Queue {
	case queue.Landed:
		name, _, _ := queue.ParseLanded(m.Text)
		return name.CloudID
	case queue.Days:
		day, _ := queue.ParseDay(m.Text)
		return day.CloudID
	case queue.Batches:
		id, _ := queue.ParseBatch(m.Text)
		return id.CloudID
	}
	return ""
}
