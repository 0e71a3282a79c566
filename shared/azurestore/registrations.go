package azurestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// Row keys of table Registrations. A second entry for the same effective day has
// its number behind it: registration_20191210_0002.
const (
	registrationPrefix = "registration_"
	tenantPrefix       = "tenant_"
	changePrefix       = "change_" // the changes of a cloudId, counted: of two at once the second finds its number taken
	namePrefix         = "name_"   // begins the PartitionKey of a name that is taken
	nameKey            = "cloudId"
)

var _ registration.Store = (*Tables)(nil)

// Registrations reads the history of a registration, oldest first; empty if
// the cloudId is not registered.
func (t *Tables) Registrations(ctx context.Context, cloudID string) ([]registration.Registration, error) {
	book, err := t.Book(ctx, cloudID)
	return book.Registrations, err
}

// Book implements registration.Store.
func (t *Tables) Book(ctx context.Context, cloudID string) (registration.Book, error) {
	book := registration.Book{CloudID: cloudID}
	for row, err := range t.List(ctx, table.Registrations, cloudID, "", "") {
		if err == nil {
			err = readEntry(&book, row)
		}
		if err != nil {
			return registration.Book{CloudID: cloudID}, fmt.Errorf("read registration %s: %w", cloudID, err)
		}
	}
	book.Sort()
	return book, nil
}

// Books implements registration.Store.
func (t *Tables) Books(ctx context.Context) ([]registration.Book, error) {
	var books []registration.Book
	for row, err := range t.List(ctx, table.Registrations, "", "", "") {
		if err == nil && strings.HasPrefix(row.Partition, namePrefix) {
			continue
		}
		if err == nil {
			if n := len(books); n == 0 || books[n-1].CloudID != row.Partition {
				books = append(books, registration.Book{CloudID: row.Partition})
			}
			err = readEntry(&books[len(books)-1], row)
		}
		if err != nil {
			return nil, fmt.Errorf("list registrations: %w", err)
		}
	}
	for _, b := range books {
		b.Sort()
	}
	return books, nil
}

// Holder implements registration.Store. A registration without a name of its own
// has one by its cloudId, which nobody needs to claim.
func (t *Tables) Holder(ctx context.Context, name string) (string, error) {
	name = strings.ToLower(name)
	if cloudID, ok := strings.CutPrefix(name, strings.ToLower(registration.DefaultName(""))); ok && registration.IsCloudID(cloudID) {
		return cloudID, nil
	}
	if strings.ContainsAny(name, "/\\#?") {
		return "", nil // no such key can be, and the service would not look for it
	}
	row, err := t.Get(ctx, table.Registrations, namePrefix+name, nameKey)
	if errors.Is(err, table.ErrNotFound) {
		return "", nil
	}
	cloudID, _ := row.Props["cloudId"].(string)
	return cloudID, err
}

// Append implements registration.Store: the names first, each by an insert of its
// own, then everything else in one transaction.
func (t *Tables) Append(ctx context.Context, book registration.Book, added registration.Added) error {
	if err := t.append(ctx, book, added); err != nil {
		return fmt.Errorf("write registration %s: %w", book.CloudID, err)
	}
	return nil
}

func (t *Tables) append(ctx context.Context, book registration.Book, added registration.Added) error {
	var ops []table.Op
	insert := func(key string, props table.Props) {
		ops = append(ops, table.Op{Verb: table.Insert, Row: table.Row{Partition: book.CloudID, Key: key, Props: props}})
	}
	for _, r := range added.Registrations {
		if err := t.claimName(ctx, r.Name, r.CloudID); err != nil {
			return err
		}
		insert(numbered(registrationPrefix+r.EffectiveDay, r.Number), registrationProps(r))
	}
	for _, m := range added.Tenants {
		insert(numbered(tenantPrefix+m.TenantID+"_"+m.EffectiveDay, m.Number), mappingProps(m))
	}
	keys := make([]string, len(ops))
	for i, op := range ops {
		keys[i] = op.Row.Key
	}
	insert(fmt.Sprintf("%s%06d", changePrefix, book.Version+1), table.Props{"rows": strings.Join(keys, ",")})
	err := t.Apply(ctx, table.Registrations, book.CloudID, ops...)
	if errors.Is(err, table.ErrExists) {
		return registration.ErrChanged
	}
	return err
}

func (t *Tables) claimName(ctx context.Context, name, cloudID string) error {
	holder, err := t.Holder(ctx, name)
	if err == nil && holder == "" {
		partition := namePrefix + strings.ToLower(name)
		err = t.Apply(ctx, table.Registrations, partition, table.Op{Verb: table.Insert,
			Row: table.Row{Partition: partition, Key: nameKey, Props: table.Props{"cloudId": cloudID, "name": name}}})
		if !errors.Is(err, table.ErrExists) {
			return err
		}
		holder, err = t.Holder(ctx, name)
	}
	if err == nil && holder != cloudID {
		err = registration.ErrTaken
	}
	return err
}

// PutRegistration stores one entry of a registration's history beside those that
// are there; an entry that says what the last one of its day says is not stored
// again. It knows no rule but that of the entry itself: Registrar is what
// operators use.
func (t *Tables) PutRegistration(ctx context.Context, r registration.Registration) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("registration %s: %w", r.CloudID, err)
	}
	r = r.Filled()
	err := registration.ErrChanged
	for try := 0; try < putTries && errors.Is(err, registration.ErrChanged); try++ {
		var book registration.Book
		if book, err = t.Book(ctx, r.CloudID); err != nil {
			return err
		}
		r.Number = 0
		var last *registration.Registration
		for i, have := range book.Registrations {
			if have.EffectiveDay == r.EffectiveDay {
				last, r.Number = &book.Registrations[i], have.Number+1
			}
		}
		if last != nil && last.SaysSame(r) {
			return nil
		}
		err = t.Append(ctx, book, registration.Added{Registrations: []registration.Registration{r}})
	}
	return err
}

// putTries bounds how often an entry is put anew because others came first.
const putTries = 5

// numbered is a row's key; the first of its day has no number.
func numbered(key string, number int) string {
	if number == 0 {
		return key
	}
	return fmt.Sprintf("%s_%04d", key, number+1)
}

// splitNumber reads what numbered wrote: the key's last parts.
func splitNumber(text string) (day string, number int, err error) {
	day, n, ok := strings.Cut(text, "_")
	if ok {
		if _, err = fmt.Sscanf(n, "%04d", &number); err != nil || number < 2 || numbered(day, number-1) != text {
			return "", 0, fmt.Errorf("%q is not <day>_<number>", text)
		}
		number--
	}
	return day, number, nil
}

func registrationProps(r registration.Registration) table.Props {
	props := table.Props{
		"name": r.Name, "subscriptionId": r.SubscriptionID, "subscriptionKind": string(r.SubscriptionKind), "cloud": r.Cloud,
		"stampKind": string(r.StampKind), "billingModel": string(r.BillingModel), "usageReportingEnabled": !r.ReportingOff,
		"region": r.Region, "start": r.Start.UTC(),
	}
	if !r.End.IsZero() {
		props["end"] = r.End.UTC()
	}
	return noted(props, r.Note)
}

func mappingProps(m registration.Mapping) table.Props {
	return noted(table.Props{"subscriptionId": m.SubscriptionID}, m.Note)
}

// noted adds who and why, where they are said.
func noted(props table.Props, n registration.Note) table.Props {
	for name, text := range map[string]string{"by": n.By, "reason": n.Reason} {
		if text != "" {
			props[name] = text
		}
	}
	if !n.At.IsZero() {
		props["at"] = n.At.UTC()
	}
	return props
}

// readEntry adds a row to its book.
func readEntry(book *registration.Book, row table.Row) (err error) {
	text := func(column string) string { s, _ := row.Props[column].(string); return s }
	when := func(column string) time.Time { t, _ := row.Props[column].(time.Time); return t }
	note := registration.Note{By: text("by"), Reason: text("reason"), At: when("at")}
	if rest, ok := strings.CutPrefix(row.Key, registrationPrefix); ok {
		r := registration.Registration{
			CloudID: row.Partition, Name: text("name"), Note: note, SubscriptionID: text("subscriptionId"),
			SubscriptionKind: registration.SubscriptionKind(text("subscriptionKind")), Cloud: text("cloud"),
			StampKind: registration.StampKind(text("stampKind")), BillingModel: registration.BillingModel(text("billingModel")),
			Region: text("region"), Start: when("start"), End: when("end"),
		}
		if enabled, said := row.Props["usageReportingEnabled"].(bool); said {
			r.ReportingOff = !enabled
		}
		if r.EffectiveDay, r.Number, err = splitNumber(rest); err == nil {
			err = r.Check()
		}
		book.Registrations = append(book.Registrations, r.Filled())
	} else if rest, ok := strings.CutPrefix(row.Key, tenantPrefix); ok {
		m := registration.Mapping{CloudID: row.Partition, Note: note, SubscriptionID: text("subscriptionId")}
		m.TenantID, rest, _ = strings.Cut(rest, "_")
		if m.EffectiveDay, m.Number, err = splitNumber(rest); err == nil {
			err = m.Check()
		}
		book.Tenants = append(book.Tenants, m)
	} else if rest, ok := strings.CutPrefix(row.Key, changePrefix); ok {
		var n int
		_, err = fmt.Sscanf(rest, "%06d", &n)
		book.Version = max(book.Version, n)
	}
	if err != nil {
		return fmt.Errorf("row %s: %w", row.Key, err)
	}
	return nil
}
