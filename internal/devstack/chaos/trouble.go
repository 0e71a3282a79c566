package chaos

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/loopback"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// outageOnce takes storage away from the handlers while they have messages, for
// long enough that the hosts give these up; again if they did not.
func (r *run) outageOnce(ctx context.Context) {
	if time.Now().Before(r.outageEnd.Add(2*outageLength)) || r.countPoisoned() > 0 {
		return
	}
	waiting := int32(0) // those that a handler has are counted, too
	for _, name := range []string{queue.Landed, queue.Days} {
		client, err := r.open(name)
		if err != nil {
			return
		}
		properties, err := client.GetProperties(ctx, nil)
		if err != nil {
			return // not made yet
		}
		waiting += *properties.ApproximateMessagesCount
	}
	if waiting < 2 {
		return
	}
	r.faults.Outage(true)
	r.count(outage)
	r.outageEnd = time.Now().Add(outageLength)
	time.AfterFunc(outageLength, func() { r.faults.Outage(false) })
}

// troubles is one round of what can go wrong beside single requests, shuffled.
func (r *run) troubles() []func(context.Context) error {
	all := []func(context.Context) error{
		r.restartAzurite, r.moveAhead, r.moveBack, r.repeatMessages, r.repeatMessages, r.sweepBoth, r.garble, r.sendFailedAgain,
	}
	r.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// restartAzurite ends storage under all that works with it. It takes seconds, so
// it is not done in every round.
func (r *run) restartAzurite(ctx context.Context) error {
	if r.restarts++; r.restarts > 1 && (r.o.Quick || r.restarts%3 != 0) {
		return nil
	}
	r.Azurite.Stop()
	time.Sleep(time.Duration(r.rng.IntN(500)) * time.Millisecond)
	if err := r.Azurite.Restart(ctx); err != nil {
		return err
	}
	r.count(azuriteEnded)
	return nil
}

func (r *run) moveAhead(context.Context) error {
	by := min(r.clock.by+time.Duration(3+r.rng.IntN(5))*time.Hour, maxClockAhead)
	if by > r.clock.by {
		r.count(clockAhead)
	}
	return r.clock.move(by)
}

func (r *run) moveBack(context.Context) error {
	r.count(clockBack)
	return r.clock.move(r.clock.by - time.Duration(1+r.rng.IntN(2))*time.Hour)
}

func (r *run) open(name string) (*azqueue.QueueClient, error) {
	return azqueue.NewQueueClientFromConnectionString(r.Settings["UsageStorage"], name, nil)
}

// peek returns some of the messages that wait on a queue, as they are stored.
func (r *run) peek(ctx context.Context, name string) (texts []string, err error) {
	client, err := r.open(name)
	if err != nil {
		return nil, err
	}
	most := int32(8)
	waiting, err := client.PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: &most})
	if err != nil {
		return nil, err
	}
	for _, m := range waiting.Messages {
		texts = append(texts, *m.MessageText)
	}
	return texts, nil
}

// put stores a message as it is, and counts it as a fault of this kind. An error of
// storage is none here: it is restarted now and then, and handlers make its queues.
func (r *run) put(ctx context.Context, name, text, kind string) (ok bool, err error) {
	client, err := r.open(name)
	if err != nil {
		return false, err
	}
	if _, err := client.EnqueueMessage(ctx, text, nil); err != nil {
		return false, nil
	}
	r.count(kind)
	return true, nil
}

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// repeatMessages puts what waits on the queues there once more, so that both
// hosts work on the same message at the same time. If nothing waits, it repeats
// the event of a file that was ingested.
func (r *run) repeatMessages(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	repeated := false
	for _, name := range []string{queue.Landed, queue.Days, queue.Batches} {
		texts, err := r.peek(ctx, name)
		if err != nil {
			continue // not made yet
		}
		for _, text := range texts {
			ok, err := r.put(ctx, name, text, messageTwice)
			if err != nil {
				return err
			}
			repeated = repeated || ok
		}
	}
	if repeated {
		return nil
	}
	tables := r.Tables
	for row, err := range hourlog.All(ctx, tables, r.CloudID) {
		if err != nil {
			return nil // a handler has not made the table yet, or was killed
		}
		text := queue.LandedMessage(landing.Name{CloudID: row.ID.CloudID, Hour: row.ID.Hour, SHA16: row.ID.SHA16})
		_, err = r.put(ctx, queue.Landed, encoded(text), messageTwice)
		return err
	}
	return nil
}

// garble puts a message on a queue that is poisoned without being looked at.
func (r *run) garble(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	_, err := r.put(ctx, []string{queue.Landed, queue.Days, queue.Batches}[r.rng.IntN(3)], garbledText, unreadable)
	return err
}

// sendFailedAgain does what an operator does with messages that failed for
// good. Sweep would do the same, after its rest.
func (r *run) sendFailedAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	for row, err := range r.Tables.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return nil // a handler has not made the table yet, or was killed
		}
		name, text := fmt.Sprint(row.Props["queue"]), fmt.Sprint(row.Props["text"])
		if text == garbledText {
			continue
		}
		if _, err := r.put(ctx, name, encoded(text), sentAgain); err != nil {
			return err
		}
	}
	return nil
}

// sweepSomewhere runs Sweep on one of the hosts, if it can.
func (r *run) sweepSomewhere(ctx context.Context) {
	r.sweepOn(ctx, r.hosts[r.rng.IntN(len(r.hosts))])
}

func (r *run) sweepBoth(ctx context.Context) error {
	both := true
	for _, h := range r.hosts {
		both = r.sweepOn(ctx, h) && both
	}
	if both {
		r.count(sweepTwice)
	}
	return nil
}

func (r *run) sweepOn(ctx context.Context, h *host) bool {
	host := h.current()
	if host == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	return loopback.Tell(ctx, http.MethodPost, host.URL()+"/admin/functions/Sweep", `{"input":""}`) == nil
}
