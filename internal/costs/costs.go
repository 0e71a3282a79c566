// Package costs counts what storage and the Functions plan bill, and says what it costs
// by list prices. The prices are data with a date: prices.json.
package costs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
	"time"
)

//go:embed prices.json
var file []byte

// Meter is something that is billed by its number.
type Meter string

// Meters.
const (
	BlobWrites           Meter = "blobWrites"
	BlobReads            Meter = "blobReads"
	BlobLists            Meter = "blobLists" // pages
	BlobBytes            Meter = "blobBytes" // for a month
	TableOperations      Meter = "tableOperations"
	TableBytes           Meter = "tableBytes" // for a month
	QueueOperations      Meter = "queueOperations"
	Executions           Meter = "executions"
	MegabyteMilliseconds Meter = "megabyteMilliseconds"
)

// Meters lists them, as tables show them.
func Meters() []Meter {
	return []Meter{TableOperations, BlobWrites, BlobReads, BlobLists, QueueOperations, Executions, MegabyteMilliseconds, BlobBytes, TableBytes}
}

// Counts are numbers by meter.
type Counts map[Meter]int64

// Times is c so many times.
func (c Counts) Times(n int64) Counts {
	out := Counts{}
	for m, count := range c {
		out[m] = count * n
	}
	return out
}

// Plus is c and others.
func (c Counts) Plus(others ...Counts) Counts {
	out := c.Times(1)
	for _, other := range others {
		for m, count := range other {
			out[m] += count
		}
	}
	return out
}

// Prices are list prices of one day.
type Prices struct {
	Date     string  `json:"date"` // 2026-08-10
	Region   string  `json:"region"`
	Currency string  `json:"currency"`
	Note     string  `json:"note"`
	Prices   []Price `json:"prices"`

	of map[Meter]*big.Rat // for one
}

// Price is the price of so many units of a meter.
type Price struct {
	Meter Meter  `json:"meter"`
	Price string `json:"price"`
	Per   int64  `json:"per"`
	Unit  string `json:"unit"`
}

// List reads the prices. Each meter must have one.
func List() (Prices, error) {
	p := Prices{of: map[Meter]*big.Rat{}}
	if err := json.Unmarshal(file, &p); err != nil {
		return p, fmt.Errorf("read prices: %w", err)
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return p, fmt.Errorf("read prices: date: %w", err)
	}
	for _, price := range p.Prices {
		one, ok := new(big.Rat).SetString(price.Price)
		if !ok || price.Per <= 0 || one.Sign() <= 0 || p.of[price.Meter] != nil {
			return p, fmt.Errorf("read prices: %s: %q for %d, or twice", price.Meter, price.Price, price.Per)
		}
		p.of[price.Meter] = one.Quo(one, new(big.Rat).SetInt64(price.Per))
	}
	for _, m := range Meters() {
		if p.of[m] == nil {
			return p, fmt.Errorf("read prices: %s has none", m)
		}
	}
	return p, nil
}

// Cost is what counts cost.
func (p Prices) Cost(c Counts) *big.Rat {
	sum := new(big.Rat)
	for m, count := range c {
		sum.Add(sum, new(big.Rat).Mul(p.of[m], new(big.Rat).SetInt64(count)))
	}
	return sum
}
