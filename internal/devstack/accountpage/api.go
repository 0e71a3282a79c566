package accountpage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"stackusage/internal/devstack/loopback"
)

// api asks the commerce of a URL.
type api string

// bill is what is read of GET /v1/bill.
type bill struct {
	Statements []statement
}

type statement struct {
	Month                 string // 2019-12
	BillingSubscriptionID string
	Lines                 []billLine
	Unpriced              int
	Total, Currency       string
}

type billLine struct {
	MeterID, MeterName, MeterSubCategory, Unit, MeterClass, BillingModel string
	Quantity, Rate, Amount, Currency, Note                               string // Rate and Amount are empty where no price is known
}

// dailyCosts is GET /v1/daily-costs.
type dailyCosts struct {
	Currency string
	Days     []string // 2019-12-10
	Meters   []meterCost
	Amounts  []string // by day
	Amount   string
}

type meterCost struct {
	MeterID, MeterName, MeterSubCategory string
	Amounts                              []string // by day
	Amount                               string
}

// resourceCosts is GET /v1/resource-costs, the dearest first.
type resourceCosts struct {
	Currency  string
	Resources []resourceCost
	Amount    string
}

type resourceCost struct {
	ResourceURI, Amount string
	Meters              []resourceMeter
	Unpriced            int
}

type resourceMeter struct {
	MeterID, MeterName, MeterSubCategory, Unit, Quantity, Rate, Amount string // Rate and Amount are empty where no price is known
}

func (a api) resourceCosts(ctx context.Context, subscription, month string) (c resourceCosts, err error) {
	return c, a.read(ctx, "/v1/resource-costs", url.Values{"subscription": {subscription}, "month": {month}}, &c)
}

func (a api) bill(ctx context.Context, subscription string) (b bill, err error) {
	query := url.Values{}
	if subscription != "" {
		query.Set("subscription", subscription)
	}
	return b, a.read(ctx, "/v1/bill", query, &b)
}

func (a api) dailyCosts(ctx context.Context, subscription, month string) (c dailyCosts, err error) {
	if err := a.read(ctx, "/v1/daily-costs", url.Values{"subscription": {subscription}, "month": {month}}, &c); err != nil {
		return c, err
	}
	for _, m := range c.Meters {
		if len(m.Amounts) != len(c.Days) {
			return c, fmt.Errorf("read daily costs of meter %s: %d amounts for %d days", m.MeterID, len(m.Amounts), len(c.Days))
		}
	}
	if len(c.Amounts) != len(c.Days) {
		return c, fmt.Errorf("read daily costs: %d amounts for %d days", len(c.Amounts), len(c.Days))
	}
	return c, nil
}

func (a api) read(ctx context.Context, path string, query url.Values, into any) error {
	body, err := a.get(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func (a api) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	body, err := loopback.Ask(ctx, http.MethodGet, string(a)+path+"?"+query.Encode(), "")
	if err != nil {
		return nil, fmt.Errorf("ask commerce: %w", err)
	}
	return body, nil
}
