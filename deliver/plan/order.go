package plan

import (
	"fmt"
	"strings"
	"time"

	"deliver/inventory"
)

// Mode says whether the fleet is switched at once or in batches.
type Mode string

// The modes. An empty Mode is Rolling where batch sizes are given, and
// Parallel otherwise.
const (
	Parallel Mode = "parallel"
	Rolling  Mode = "rolling"
)

// ParseMode reads a Mode; empty is kept empty.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(strings.TrimSpace(s)); m {
	case "", Parallel, Rolling:
		return m, nil
	default:
		return "", fmt.Errorf("order %q is unknown: it is parallel or rolling", s)
	}
}

// Order says in which order hosts are switched. The zero Order is all at once.
type Order struct {
	Mode   Mode          `json:"mode,omitempty"`
	Batch  Sizes         `json:"batch,omitempty"`  // of Rolling; empty: one host at a time
	Canary int           `json:"canary,omitempty"` // so many hosts first, in a batch of their own
	Pause  time.Duration `json:"pause,omitempty"`  // between two batches
}

// Sizes are the sizes of batches, in order; the last one repeats until all
// hosts are covered. It is written "4" or "1,10%,50%,100%".
type Sizes []Amount

// ParseSizes reads Sizes; an empty text is no sizes.
func ParseSizes(s string) (Sizes, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var sizes Sizes
	for part := range strings.SplitSeq(s, ",") {
		size, err := ParseAmount(part)
		if err != nil {
			return nil, fmt.Errorf("batch %q: %w", s, err)
		}
		if size.Number == 0 {
			return nil, fmt.Errorf("batch %q: a batch of %s holds no host", s, size)
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// String writes the sizes as ParseSizes reads them.
func (s Sizes) String() string {
	parts := make([]string, len(s))
	for i, size := range s {
		parts[i] = size.String()
	}
	return strings.Join(parts, ",")
}

// Validate says what is wrong with the order.
func (o Order) Validate() error {
	if _, err := ParseMode(string(o.Mode)); err != nil {
		return err
	}
	if o.Mode == Parallel && len(o.Batch) > 0 {
		return fmt.Errorf("batch %s needs order rolling: parallel switches all hosts at once", o.Batch)
	}
	if o.Canary < 0 {
		return fmt.Errorf("canary %d: it is a number of hosts, 0 or more", o.Canary)
	}
	if o.Pause < 0 {
		return fmt.Errorf("pause %s: it is 0 or more", o.Pause)
	}
	if _, err := ParseSizes(o.Batch.String()); err != nil {
		return err
	}
	return nil
}

// Batches cuts hosts into the batches in which they are switched, keeping
// their order: the canaries first, then batches by size. Percentages are of
// all hosts. The batches share the memory of hosts.
func Batches(hosts []inventory.Host, o Order) [][]inventory.Host {
	var batches [][]inventory.Host
	take := func(n int) {
		n = min(n, len(hosts))
		batches, hosts = append(batches, hosts[:n:n]), hosts[n:]
	}
	sizes, fleet := o.sizes(), len(hosts)
	if o.Canary > 0 && fleet > 0 {
		take(o.Canary)
	}
	for i := 0; len(hosts) > 0; i++ {
		take(sizes[min(i, len(sizes)-1)].Batch(fleet))
	}
	return batches
}

func (o Order) sizes() Sizes {
	switch {
	case len(o.Batch) > 0:
		return o.Batch
	case o.Mode == Rolling:
		return Sizes{Count(1)}
	default:
		return Sizes{Percent(100)}
	}
}
