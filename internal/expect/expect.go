// Package expect reads what people expect of a fleet, kept beside it in
// leat.test.yaml, and compares it with what the fleet becomes.
//
//	spec, err := expect.Parse("leat.test.yaml", data)
//	for _, c := range spec.Clusters {
//		failures := c.Check(expect.Got{Fleet: rendered, Findings: found})
//	}
//
// Expectations know their line: errors and failures say file:line. The package is
// pure.
package expect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/words"
)

// Got is what a cluster of the fleet becomes.
type Got struct {
	Fleet    fleet.Rendered
	Findings []finding.Finding // those of a cluster that is made from nothing
}

// Failure is an expectation that is not met.
type Failure struct {
	At      string `json:"at"` // file:line
	Message string `json:"message"`
}

// String is the failure in a line.
func (f Failure) String() string { return f.At + ": " + f.Message }

// failures are those of one file.
type failures struct {
	file string
	all  []Failure
}

func (f *failures) add(line int, format string, args ...any) {
	f.all = append(f.all, Failure{At: fmt.Sprintf("%s:%d", f.file, line), Message: fmt.Sprintf(format, args...)})
}

// Check returns what of a cluster is not as expected, in the order of the file.
func (c Cluster) Check(got Got) []Failure {
	f := &failures{file: c.file}
	c.checkReady(f, got.Fleet)
	c.checkUnits(f, got.Fleet)
	c.checkObjects(f, got.Fleet)
	c.checkImages(f, got.Fleet)
	c.checkFindings(f, got.Findings)
	if n := c.Placeholders; n != nil && len(got.Fleet.Placeholders) > n.value {
		f.add(n.line, "at most %d placeholders are expected, there are %d: %s", n.value, len(got.Fleet.Placeholders), words.Some(placeholders(got.Fleet)))
	}
	return f.all
}

// Count is how many expectations a cluster has.
func (c Cluster) Count() int {
	n := len(c.Units) + len(c.Objects) + len(c.Images.Require) + len(c.Images.Forbid)
	if c.Ready.line > 0 {
		n++
	}
	if c.Findings.Fail.line > 0 {
		n++
	}
	if c.Placeholders != nil {
		n++
	}
	return n
}

// checkReady looks at «ready: all».
func (c Cluster) checkReady(f *failures, r fleet.Rendered) {
	if c.Ready.line == 0 {
		return
	}
	named := map[string]bool{}
	for _, u := range c.Units {
		named[u.Name.value] = true
	}
	for _, u := range r.Units {
		if u.State != fleet.Ready && u.State != fleet.Suspended && !named[u.Key.String()] {
			f.add(c.Ready.line, "%s", stands(u))
		}
	}
}

// stands says how a unit stands and why.
func stands(u fleet.Unit) string {
	text := fmt.Sprintf("%s is %s", u.Key, u.State)
	if u.Message != "" && u.State != fleet.Ready {
		text += ": " + strings.Join(strings.Fields(u.Message), " ")
	}
	return text
}

func (c Cluster) checkUnits(f *failures, r fleet.Rendered) {
	for _, want := range c.Units {
		i := slices.IndexFunc(r.Units, func(u fleet.Unit) bool { return u.Key.String() == want.Name.value })
		switch {
		case want.State.value == stateAbsent && i >= 0:
			f.add(want.Name.line, "%s is expected to be absent; it is %s", want.Name.value, r.Units[i].State)
		case want.State.value == stateAbsent:
		case i < 0:
			f.add(want.Name.line, "there is no %s", want.Name.value)
		case want.State.value == stateRendered && r.Units[i].State == fleet.NotRendered,
			want.State.value != stateRendered && string(r.Units[i].State) != want.State.value:
			f.add(want.Name.line, "%s; expected: %s", stands(r.Units[i]), want.State.value)
		}
	}
}

// checkObjects counts objects by kind, each once, however many units name it.
func (c Cluster) checkObjects(f *failures, r fleet.Rendered) {
	count := map[string]map[string]bool{}
	note := func(kind, name string) {
		if count[kind] == nil {
			count[kind] = map[string]bool{}
		}
		count[kind][name] = true
	}
	for _, u := range r.Units {
		for _, o := range u.Objects {
			if !o.Provided {
				name := o.Ref.Group + " " + o.Ref.String()
				note(o.Ref.Kind, name)
				note(o.Ref.Kind+"."+o.Ref.Group, name)
			}
		}
	}
	for _, want := range c.Objects {
		if n := len(count[want.Kind.value]); !want.Count.holds(n) {
			f.add(want.Kind.line, "%s: %s expected, there are %d", want.Kind.value, want.Count.text, n)
		}
	}
}

func (c Cluster) checkImages(f *failures, r fleet.Rendered) {
	images := imagesOf(r)
	for _, want := range c.Images.Require {
		if !slices.ContainsFunc(images, func(i used) bool { return matches(want.value, i.image) }) {
			f.add(want.line, "no container uses an image %s", want.value)
		}
	}
	for _, want := range c.Images.Forbid {
		for _, i := range images {
			if matches(want.value, i.image) {
				f.add(want.line, "%s uses the image %s", words.Some(i.by), i.image)
			}
		}
	}
}

// checkFindings fails findings of a severity and above, and of named rules, but
// for those that are allowed.
func (c Cluster) checkFindings(f *failures, found []finding.Finding) {
	if c.Findings.Fail.line == 0 {
		return
	}
	allowed := map[string]bool{}
	for _, a := range c.Findings.Allow {
		allowed[a.value] = true
	}
	for _, one := range c.Findings.failOn.Of(found) {
		if !allowed[one.Rule] {
			f.add(c.Findings.Fail.line, "%s", one)
		}
	}
}

func placeholders(r fleet.Rendered) []string {
	var out []string
	for _, p := range r.Placeholders {
		out = append(out, p.Object.String())
	}
	return out
}
