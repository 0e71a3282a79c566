package infra_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// number reads a decimal number, with commas between thousands.
func number(text string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(strings.ReplaceAll(strings.TrimSpace(text), ",", ""))
	if !ok {
		return nil, fmt.Errorf("%q is no number", text)
	}
	return r, nil
}

// amount reads a number, or a sum of products with what it comes to:
// "2 × 3 + 4 = 10".
func amount(text string) (*big.Rat, error) {
	formula, result, has := strings.Cut(text, "=")
	if !has {
		return number(text)
	}
	want, err := number(result)
	if err != nil {
		return nil, err
	}
	sum := new(big.Rat)
	for term := range strings.SplitSeq(formula, "+") {
		product := big.NewRat(1, 1)
		for factor := range strings.SplitSeq(term, "×") {
			n, err := number(factor)
			if err != nil {
				return nil, err
			}
			product.Mul(product, n)
		}
		sum.Add(sum, product)
	}
	if sum.Cmp(want) != 0 {
		return nil, fmt.Errorf("%s: it is %s", text, sum.FloatString(6))
	}
	return want, nil
}

// recompute checks a table of costs: what an item costs for 1, 10 and 100
// stacks, and the sum of each column.
func recompute(section string) (problems []string) {
	stacks := []int64{1, 10, 100}
	totals := []*big.Rat{new(big.Rat), new(big.Rat), new(big.Rat)}
	rows, summed := 0, false
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 9 || strings.HasPrefix(cells[0], "-") || strings.TrimSpace(cells[0]) == "item" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "**total**" {
			summed = true
			for i, total := range totals {
				if want := "**" + total.FloatString(2) + "**"; cells[6+i] != want {
					problems = append(problems, fmt.Sprintf("total for %d stacks: %s, computed %s", stacks[i], cells[6+i], want))
				}
			}
			continue
		}
		rows++
		var parts [4]*big.Rat // shared, of each stack, free, price
		for i, cell := range []string{cells[2], cells[3], cells[4], cells[5]} {
			var err error
			if parts[i], err = amount(cell); err != nil {
				problems = append(problems, cells[0]+": "+err.Error())
				parts[i] = new(big.Rat)
			}
		}
		for i, n := range stacks {
			cost := new(big.Rat).Mul(big.NewRat(n, 1), parts[1])
			cost.Add(cost, parts[0]).Sub(cost, parts[2])
			if cost.Sign() < 0 {
				cost.SetInt64(0)
			}
			cents := cost.Mul(cost, parts[3]).FloatString(2) // half away from zero
			if cells[6+i] != cents {
				problems = append(problems, fmt.Sprintf("%s for %d stacks: %s, computed %s", cells[0], n, cells[6+i], cents))
			}
			shown, _ := new(big.Rat).SetString(cents) // as FloatString wrote it
			totals[i].Add(totals[i], shown)
		}
	}
	if rows < 10 || !summed {
		problems = append(problems, fmt.Sprintf("%d rows, total: %v", rows, summed))
	}
	return problems
}

func TestCosts(t *testing.T) {
	_, section, ok := strings.Cut(read(t, "docs/deploy.md"), "\n## What it costs\n")
	if !ok {
		t.Fatal("docs/deploy.md has no section of costs")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	t.Run("as it is", func(t *testing.T) {
		for _, problem := range recompute(section) {
			t.Error(problem)
		}
		for _, said := range []string{"list prices", "check before use", "as of"} {
			if !strings.Contains(section, said) {
				t.Errorf("the section does not say %q", said)
			}
		}
	})
	for name, m := range map[string]struct{ old, new, want string }{
		"noticed: a formula that comes to something else": {"= 35,040", "= 35,041", "it is 35040"},
		"noticed: a price that changed":                   {"| 0.000026 |", "| 0.000027 |", "computed"},
		"noticed: a sum that is not one":                  {"| **total** |", "| **Total** |", "total: false"},
		"noticed: a cost that was not computed":           {"| alert rules | rule | 7 |", "| alert rules | rule | 8 |", "alert rules for 1 stacks"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(section, m.old) {
				t.Fatalf("no %q to change", m.old)
			}
			if got := strings.Join(recompute(strings.Replace(section, m.old, m.new, 1)), "\n"); !strings.Contains(got, m.want) {
				t.Errorf("problems:\n%s\nwant %q", got, m.want)
			}
		})
	}
}
