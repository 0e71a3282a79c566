package daily

import (
	"fmt"
	"io"
	"iter"
	"time"

	"stackusage/shared/linefile"
	"stackusage/shared/usage"
)

// PartialFormat names the layout of a partial in its header.
const PartialFormat = "stackusage-partial/1"

// PartialHeader is the first line of a partial: which hour blob it came from,
// and what that blob's header said about the stack.
type PartialHeader struct {
	Format       string     `json:"format"`
	CloudID      string     `json:"cloudId"`
	UsageDay     usage.Day  `json:"usageDay"`
	ReportedHour usage.Hour `json:"reportedHour"`
	HourBlob     string     `json:"hourBlobSha256"`

	Region                string            `json:"region"`
	CollectedAt           time.Time         `json:"collectedAt"`
	ProviderSubscriptions []string          `json:"providerSubscriptions"`
	Tenants               map[string]string `json:"tenants"`
	TenantsStale          bool              `json:"tenantsStale"`
	TenantsAt             time.Time         `json:"tenantsAt,omitzero"`
}

// WritePartial writes the sums of one hour blob and one usage day, which must
// come in key order.
func WritePartial(w io.Writer, header PartialHeader, sums iter.Seq2[Sum, error]) (linefile.File, error) {
	header.Format = PartialFormat
	out, err := linefile.NewWriter(w, header)
	if err != nil {
		return linefile.File{}, fmt.Errorf("write partial of %s, hour %s: %w", header.UsageDay, header.ReportedHour, err)
	}
	defer out.Stop()
	var line []byte
	for s, err := range sums {
		if err == nil {
			line = s.AppendJSON(line[:0])
			err = out.Raw(line, s.Rows)
		}
		if err != nil {
			return linefile.File{}, fmt.Errorf("write partial of %s, hour %s: %w", header.UsageDay, header.ReportedHour, err)
		}
	}
	file, err := out.Close()
	if err != nil {
		return linefile.File{}, fmt.Errorf("write partial of %s, hour %s: %w", header.UsageDay, header.ReportedHour, err)
	}
	return file, nil
}

// Partial reads a partial as a stream.
type Partial struct {
	header PartialHeader
	r      *linefile.Reader
}

// OpenPartial reads the header of a partial.
func OpenPartial(r io.Reader) (*Partial, error) {
	var p Partial
	var err error
	if p.r, err = linefile.NewReader(r, &p.header); err != nil {
		return nil, fmt.Errorf("read partial: %w", err)
	}
	if p.header.Format != PartialFormat {
		return nil, fmt.Errorf("read partial: format %.40q; only %q is read", p.header.Format, PartialFormat)
	}
	return &p, nil
}

// Header is the first line.
func (p *Partial) Header() PartialHeader { return p.header }

// Forget lets go of the header's map of tenants.
func (p *Partial) Forget() { p.header.Tenants = nil }

// Sums goes through the sums once, in key order, and checks order and trailer.
func (p *Partial) Sums() iter.Seq2[Sum, error] {
	return func(yield func(Sum, error) bool) {
		var rows int64
		var last Sum
		var scan scanner
		for {
			line, err := p.r.Next(rows)
			if err == io.EOF { // bare: a cut connection may wrap io.EOF
				return
			}
			var s Sum
			if err == nil && !scan.sum(string(line), &s) {
				s, err = decoded[Sum](p.r, line)
			}
			s.Day = p.header.UsageDay
			s.key = s.Shown.KeyAfter(&last.Shown, last.key)
			rows += s.Rows
			if err == nil && p.r.Lines() > 1 && compare(&last, &s) >= 0 {
				err = fmt.Errorf("%w: line %d is out of order", linefile.ErrDamaged, p.r.Lines())
			}
			if err != nil {
				yield(Sum{}, fmt.Errorf("read partial of %s, hour %s: %w", p.header.UsageDay, p.header.ReportedHour, err))
				return
			}
			last = s
			if !yield(s, nil) {
				return
			}
		}
	}
}
