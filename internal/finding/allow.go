package finding

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"time"
)

// Allowance says that findings are meant. Patterns are those of path.Match: *
// stands for any text without a slash; one that is empty holds for all.
type Allowance struct {
	Rule string
	// Object is Kind/namespace/name of what a finding is about: an object, or a
	// unit where it is about no object.
	Object string
	// Unit is Kind/namespace/name of the unit that makes it.
	Unit string
	// Cluster is the path of the cluster's entry.
	Cluster string
	Reason  string
	// Until is the end of the last day on which it holds; zero is never.
	Until time.Time
	At    string // file:line, or the flag
}

// Permit marks what is meant in one cluster, and says of each who says so. What
// was meant, until a day that is over, says that. The order is that of Check.
func Permit(found []Finding, all []Allowance, cluster string, now time.Time) {
	for i := range found {
		f := &found[i]
		for _, a := range all {
			if f.Allowed || !a.covers(*f, cluster) {
				continue
			}
			if !a.Until.IsZero() && !now.Before(a.Until) {
				f.Message += fmt.Sprintf(" (it was allowed until %s, by %s)", a.Until.AddDate(0, 0, -1).Format(time.DateOnly), a.At)
				break
			}
			f.Allowed, f.AllowedBy = true, a.At
			if a.Reason != "" {
				f.AllowedBy += ": " + a.Reason
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return cmp.Or(quiet(a)-quiet(b), int(b.Severity-a.Severity)) })
}

// covers tells whether an allowance means a finding. A danger is only meant by one
// that names the object.
func (a Allowance) covers(f Finding, cluster string) bool {
	return a.Rule == f.Rule && (a.Object != "" || f.Severity < Danger) &&
		like(a.Object, f.subject().String()) && like(a.Unit, f.Unit.String()) && like(a.Cluster, cluster)
}

func like(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return pattern == "" || ok && err == nil
}
