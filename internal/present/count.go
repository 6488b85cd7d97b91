package present

import (
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/change"
)

func (c *Counts) add(op change.Op) {
	if n := c.of(op); n != nil {
		*n++
	}
}

func (c *Counts) of(op change.Op) *int {
	switch op {
	case change.Create:
		return &c.Create
	case change.Change:
		return &c.Change
	case change.Replace:
		return &c.Replace
	case change.Refuse:
		return &c.Refuse
	case change.Move:
		return &c.Move
	case change.Orphan:
		return &c.Orphan
	case change.Delete:
		return &c.Delete
	case change.Unknown:
		return &c.Unknown
	case change.Same:
		return &c.Same
	}
	return nil
}

// ops are the operations as they are told, the most dangerous first, with the
// words for what happens.
var ops = []struct {
	op   change.Op
	word string
	sign string
}{
	{change.Refuse, "refused", "✗"},
	{change.Delete, "pruned", "-"},
	{change.Replace, "replaced", "±"},
	{change.Orphan, "orphaned", "o"},
	{change.Unknown, "not rendered", "?"},
	{change.Create, "created", "+"},
	{change.Change, "changed", "~"},
	{change.Move, "moved", "→"},
	{change.Same, "the same", "="},
}

// sign is the mark of an operation in front of a name.
func sign(op change.Op) string {
	for _, o := range ops {
		if o.op == op {
			return o.sign
		}
	}
	return "?"
}

// words lists what is not zero: «2 pruned, 12 changed».
func (c Counts) words() string {
	var out []string
	for _, o := range ops {
		if n := *c.of(o.op); n > 0 && o.op != change.Same {
			out = append(out, fmt.Sprintf("%d %s", n, o.word))
		}
	}
	return strings.Join(out, ", ")
}

func (c Counts) plus(o Counts) Counts {
	for _, op := range ops {
		*c.of(op.op) += *o.of(op.op)
	}
	return c
}

func (s *Severities) add(f Finding) {
	switch {
	case f.Allowed:
		s.Allowed++
	case f.Old:
		s.Old++
	case f.Severity == "danger":
		s.Danger++
	case f.Severity == "warning":
		s.Warning++
	default:
		s.Info++
	}
}

func (s Severities) plus(o Severities) Severities {
	return Severities{s.Danger + o.Danger, s.Warning + o.Warning, s.Info + o.Info, s.Old + o.Old, s.Allowed + o.Allowed}
}

// words lists the new findings that are not zero: «1 danger, 3 warnings».
func (s Severities) words() string {
	var out []string
	for _, n := range []struct {
		count int
		one   string
	}{{s.Danger, "danger"}, {s.Warning, "warning"}, {s.Info, "note"}} {
		if n.count > 0 {
			out = append(out, count(n.count, n.one))
		}
	}
	return strings.Join(out, ", ")
}

// count writes «1 unit», «2 units».
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %ss", thousands(n), one)
}

// thousands writes 12,345.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// sum folds clusters into one, for the verdict over all.
func sum(all []Cluster) Cluster {
	var c Cluster
	for _, one := range all {
		c.All += one.All
		c.Changes = append(c.Changes, one.Changes...)
		c.NeverReady = append(c.NeverReady, one.NeverReady...)
		c.Units, c.Objects = c.Units.plus(one.Units), c.Objects.plus(one.Objects)
		c.Severities = c.Severities.plus(one.Severities)
	}
	return c
}

// verdict is a cluster in one line, the most dangerous first.
func verdict(c Cluster) string {
	var parts []string
	add := func(text string) {
		if text != "" {
			parts = append(parts, text)
		}
	}
	add(c.Severities.words())
	add(stuck(c.NeverReady))
	switch {
	case len(c.Changes) == 0:
		add("nothing changes in " + count(c.All, "unit"))
	case c.Objects == Counts{}:
		add(touched(c) + ", no object does")
	default:
		add(touched(c) + "; objects: " + c.Objects.words())
	}
	return strings.Join(parts, " · ")
}

func touched(c Cluster) string {
	if len(c.Changes) == 1 {
		return fmt.Sprintf("1 of %s changes", count(c.either(), "unit"))
	}
	return fmt.Sprintf("%s of %s change", thousands(len(c.Changes)), count(c.either(), "unit"))
}

// either counts the units of either side: those of head, and those that it does not have.
func (c Cluster) either() int {
	n := c.All
	for _, u := range c.Changes {
		if u.After == nil {
			n++
		}
	}
	return n
}

// stuck counts units that this change keeps from becoming ready.
func stuck(causes []Cause) string {
	n := 0
	for _, c := range causes {
		if c.Old {
			continue
		}
		n += len(c.Blocking)
		if !c.Missing {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return count(n, "unit") + " will not become ready"
}
