package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// outageOnce takes storage away from the handlers while they have messages, for
// long enough that the hosts give these up; again if they did not.
func (c *chaos) outageOnce(ctx context.Context) {
	if time.Now().Before(c.outageEnd.Add(2*outageLength)) || c.countPoisoned() > 0 {
		return
	}
	depth, err := c.usage.Queues.Depth(ctx, queue.Landed)
	if more, moreErr := c.usage.Queues.Depth(ctx, queue.Days); errors.Join(err, moreErr) != nil || depth+more < 2 {
		return
	}
	c.faults.Outage(true)
	c.count(outage)
	c.outageEnd = time.Now().Add(outageLength)
	time.AfterFunc(outageLength, func() { c.faults.Outage(false) })
}

// troubles is one round of what can go wrong beside single requests, shuffled.
func (c *chaos) troubles() []func(context.Context) error {
	all := []func(context.Context) error{
		c.restartAzurite, c.moveAhead, c.moveBack, c.repeatMessages, c.repeatMessages, c.sweepBoth, c.garble, c.sendFailedAgain,
	}
	c.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// restartAzurite ends storage under all that works with it. It takes seconds, so
// it is not done in every round.
func (c *chaos) restartAzurite(ctx context.Context) error {
	if c.azurites++; c.azurites > 1 && (c.o.quick || c.azurites%3 != 0) {
		return nil
	}
	c.azurite.Stop()
	time.Sleep(time.Duration(c.rng.IntN(500)) * time.Millisecond)
	if err := c.azurite.Restart(ctx); err != nil {
		return err
	}
	c.count(azuriteEnded)
	return nil
}

func (c *chaos) moveAhead(context.Context) error {
	by := min(c.clock.by+time.Duration(3+c.rng.IntN(5))*time.Hour, maxClockAhead)
	if by > c.clock.by {
		c.count(clockAhead)
	}
	return c.clock.move(by)
}

func (c *chaos) moveBack(context.Context) error {
	c.count(clockBack)
	return c.clock.move(c.clock.by - time.Duration(1+c.rng.IntN(2))*time.Hour)
}

func (c *chaos) queue(name string) (*azqueue.QueueClient, error) {
	return azqueue.NewQueueClientFromConnectionString(c.settings["UsageStorage"], name, nil)
}

// repeatMessages puts what waits on the queues there once more, so that both
// hosts work on the same message at the same time. If nothing does, it repeats
// the event of a file that has a verdict.
func (c *chaos) repeatMessages(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	repeated := false
	for _, name := range []string{queue.Landed, queue.Days, queue.Batches} {
		q, err := c.queue(name)
		if err != nil {
			return err
		}
		most := int32(8)
		waiting, err := q.PeekMessages(ctx, &azqueue.PeekMessagesOptions{NumberOfMessages: &most})
		if err != nil {
			continue // not made yet
		}
		for _, m := range waiting.Messages {
			if _, err := q.EnqueueMessage(ctx, *m.MessageText, nil); err == nil {
				c.count(messageTwice)
				repeated = true
			}
		}
	}
	if repeated {
		return nil
	}
	return c.repeatEvent(ctx)
}

func (c *chaos) repeatEvent(ctx context.Context) error {
	q, err := c.queue(queue.Landed)
	if err != nil {
		return err
	}
	l := ledger.Ledger{Store: c.usage.Tables}
	for row, err := range l.LandedHours(ctx, cloudID) {
		if err != nil {
			return nil // a handler has not made the table yet, or was killed
		}
		text := queue.LandedMessage(landing.Name{CloudID: row.ID.CloudID, Hour: row.ID.Hour, SHA16: row.ID.SHA16})
		if _, err := q.EnqueueMessage(ctx, base64.StdEncoding.EncodeToString([]byte(text)), nil); err == nil {
			c.count(messageTwice)
		}
		return nil
	}
	return nil
}

// garble puts a message on a queue that is poisoned without being looked at.
func (c *chaos) garble(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	q, err := c.queue([]string{queue.Landed, queue.Days, queue.Batches}[c.rng.IntN(3)])
	if err != nil {
		return err
	}
	if _, err := q.EnqueueMessage(ctx, garbledText, nil); err == nil {
		c.count(unreadable)
	}
	return nil
}

// sendFailedAgain does what an operator does with messages that failed for
// good. Sweep would do the same, after its rest.
func (c *chaos) sendFailedAgain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	for row, err := range c.usage.Tables.List(ctx, table.FailedMessages, "", "", "") {
		if err != nil {
			return nil // a handler has not made the table yet, or was killed
		}
		name, text := fmt.Sprint(row.Props["queue"]), fmt.Sprint(row.Props["text"])
		if text == garbledText {
			continue
		}
		q, err := c.queue(name)
		if err != nil {
			return err
		}
		if _, err := q.EnqueueMessage(ctx, base64.StdEncoding.EncodeToString([]byte(text)), nil); err == nil {
			c.count(sentAgain)
		}
	}
	return nil
}

// sweepSomewhere runs Sweep on one of the hosts, if it can.
func (c *chaos) sweepSomewhere(ctx context.Context) {
	c.sweepOn(ctx, c.hosts[c.rng.IntN(len(c.hosts))])
}

func (c *chaos) sweepBoth(ctx context.Context) error {
	both := true
	for _, h := range c.hosts {
		both = c.sweepOn(ctx, h) && both
	}
	if both {
		c.count(sweepTwice)
	}
	return nil
}

func (c *chaos) sweepOn(ctx context.Context, h *chaosHost) bool {
	host := h.current()
	if host == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	return sweepAt(ctx, host.URL()) == nil
}
