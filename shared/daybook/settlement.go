package daybook

import (
	"context"
	"fmt"

	"stackusage/shared/content"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
)

// maxSettlement bounds a settlement file: a day of 100,000 subscriptions has some
// 20 MiB.
const maxSettlement = 256 << 20

// ReadSettlement reads what a revision was charged by; nil if nothing was settled
// then: the day was only ever closed with reporting off, and has charged nobody.
func ReadSettlement(ctx context.Context, blobs content.Opener, r Revision) (*settlement.Settlement, error) {
	if r.Settlement == "" {
		return nil, nil
	}
	text, err := content.At(r.Settlement).With(r.SettlementSHA256, table.UsageDays).Bytes(ctx, blobs, maxSettlement)
	if err != nil {
		return nil, err
	}
	settled, err := settlement.DecodeSettlement(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Settlement, err)
	}
	return &settled, nil
}
