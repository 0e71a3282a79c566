package functionhost

import (
	"encoding/base64"
	"time"
)

// queueEnvelope is the body of a call for a queue message with this content.
func queueEnvelope(fn *function, content []byte, m *message, now time.Time) []byte {
	var meta bindingData
	text := validText(content)
	meta.set("QueueTrigger", textValue(text))
	meta.set("DequeueCount", numberValue(m.count))
	meta.set("ExpirationTime", timeValue(m.expires))
	meta.set("Id", textValue(m.id))
	meta.set("InsertionTime", timeValue(m.inserted))
	meta.set("NextVisibleTime", timeValue(m.visible))
	meta.set("PopReceipt", textValue(m.receipt))
	if fn.trigger.binary() {
		return envelope(fn, quote(base64.StdEncoding.EncodeToString(content)), &meta, now)
	}
	meta.promote(text)
	return envelope(fn, textValue(text), &meta, now)
}

// manualEnvelope is the body of a call of a manual trigger with this input.
func manualEnvelope(fn *function, input string, now time.Time) []byte {
	var meta bindingData
	meta.promote(input)
	meta.set(fn.trigger.Name, textValue(input))
	return envelope(fn, textValue(input), &meta, now)
}

func timerEnvelope(fn *function, s schedule, status *timerStatus, pastDue bool, now time.Time) []byte {
	return envelope(fn, timerValue(s, status, pastDue), &bindingData{}, now)
}
