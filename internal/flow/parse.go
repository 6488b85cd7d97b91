package flow

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/tree"
)

// Parse reads leat.yaml, which is called name in errors. Every error says
// file:line:column, and all of them are told at once, in the order of the file.
// What the file leaves open has its default afterwards.
func Parse(name string, data []byte) (Flow, error) {
	if len(data) > maxFile {
		return Flow{}, fmt.Errorf("read %s: it has %d bytes, more than %d", name, len(data), maxFile)
	}
	d := &decoder{file: name, nodes: map[string]*yaml.Node{}}
	root := d.document(data)
	if root == nil {
		return Flow{}, d.err()
	}
	var f Flow
	d.value("", root, reflect.ValueOf(&f).Elem())
	d.environments(f)
	d.follows(f)
	d.names(f)
	d.groups(f)
	d.gates(f)
	if err := d.err(); err != nil {
		return Flow{}, err
	}
	return f.withDefaults(), nil
}

func (f Flow) withDefaults() Flow {
	for i := range f.Environments {
		e := &f.Environments[i]
		e.Directory = clean(e.Directory)
		e.Cluster = clean(e.Cluster)
		if e.Cluster == "" {
			e.Cluster = e.Directory
		}
		if e.Move == "" {
			e.Move = Copy
			if e.Directory == "" {
				e.Move = Merge
			}
		}
	}
	if f.Promise == 0 {
		f.Promise = DefaultPromise
	}
	if f.MainWithin == 0 {
		f.MainWithin = DefaultMainWithin
	}
	return f
}

// clean is a directory without dots and slashes at its ends; "" is the root.
func clean(dir string) string {
	p, err := tree.Clean(dir)
	if err != nil || p == "." {
		return ""
	}
	return p
}

// environments must have names of their own, and places of their own.
func (d *decoder) environments(f Flow) {
	names, places := map[string]Pos{}, map[[2]string]Environment{}
	for i, e := range f.Environments {
		at := fmt.Sprintf("environments[%d]", i)
		if first, twice := names[e.Name]; twice && e.Name != "" {
			d.failAt(at+".name", "environment %s is declared already, in line %d", e.Name, first.Line)
		} else {
			names[e.Name] = e.At
		}
		place := [2]string{e.Branch, clean(e.Directory)}
		if other, taken := places[place]; taken && e.Branch != "" {
			d.failAt(at+".branch", "%s has the same branch and directory as %s, in line %d: they would be one environment", e.Name, other.Name, other.At.Line)
		} else {
			places[place] = e
		}
		if e.Move == Copy && clean(e.Directory) == "" {
			d.failAt(at+".move", "copy moves the files of a directory, and %s has none; want merge, or a directory", e.Name)
		}
		if e.Move != "" && e.Follows == "" {
			d.failAt(at+".move", "%s follows no environment that something could move from", e.Name)
		}
	}
}

// follows must name an environment, and lead to an end.
func (d *decoder) follows(f Flow) {
	for i, e := range f.Environments {
		at := fmt.Sprintf("environments[%d].follows", i)
		if e.Follows == "" {
			continue
		}
		if _, ok := f.Environment(e.Follows); !ok {
			d.failAt(at, "there is no environment %q; there is %s", e.Follows, strings.Join(f.Names(), ", "))
			continue
		}
		if cycle := f.cycle(e); cycle != nil && cycle[0] == slices.Min(cycle[1:]) { // each once
			d.failAt(at, "environments follow each other in a circle: %s", strings.Join(cycle, " → "))
		}
	}
}

// cycle is the way from an environment back to itself; nil where there is none.
func (f Flow) cycle(from Environment) []string {
	way := []string{from.Name}
	for e := from; e.Follows != "" && len(way) <= len(f.Environments); {
		way = append(way, e.Follows)
		if e.Follows == from.Name {
			return way
		}
		e, _ = f.Environment(e.Follows)
	}
	return nil
}

// names of components and maps must be unique, and maps must speak of environments
// that there are.
func (d *decoder) names(f Flow) {
	components := map[string]bool{}
	for i, c := range f.Components {
		if components[c.Name] {
			d.failAt(fmt.Sprintf("components[%d].name", i), "component %s is declared already", c.Name)
		}
		components[c.Name] = true
	}
	maps := map[string]bool{}
	for i, m := range f.Maps {
		at := fmt.Sprintf("maps[%d]", i)
		if maps[m.Name] {
			d.failAt(at+".name", "map %s is declared already", m.Name)
		}
		maps[m.Name] = true
		for name := range m.Values {
			d.environment(at+".values."+name+"#key", name, f)
		}
	}
	for i, s := range f.Stays {
		if len(s.Files) == 0 && s.Path == "" && s.Kind == "" {
			d.failAt(fmt.Sprintf("stays[%d]", i), "it names nothing; want files, a kind or a path")
		}
	}
	for i, p := range f.Pins {
		if p.Component != "" && strings.Contains(p.Path, "*") {
			d.failAt(fmt.Sprintf("pins[%d].component", i), "the * of the path is the component's name already")
		}
	}
}

func (d *decoder) environment(at, name string, f Flow) {
	if _, ok := f.Environment(name); !ok && name != "" {
		d.failAt(at, "there is no environment %q; there is %s", name, strings.Join(f.Names(), ", "))
	}
}

func (d *decoder) gates(f Flow) {
	people := f.People(nil)
	for i, g := range f.Gates {
		at := fmt.Sprintf("gates[%d]", i)
		for j, name := range g.Environments {
			d.environment(fmt.Sprintf("%s.environments[%d]", at, j), name, f)
		}
		if g.Approvals != nil {
			d.approvals(at+".approvals", *g.Approvals, f, people)
		}
		for j, z := range g.Freeze {
			if from, to, err := z.span(); err == nil && !from.Before(to) {
				d.failAt(fmt.Sprintf("%s.freeze[%d].to", at, j), "it ends before it begins, on %s", z.From)
			}
		}
	}
}

// approvals must be possible: groups that there are, and people enough; how many a
// team has is known when the forge is asked.
func (d *decoder) approvals(at string, a Approvals, f Flow, people gate.People) {
	for i, name := range a.Groups {
		if _, ok := f.Groups[name]; !ok && name != "" {
			d.failAt(fmt.Sprintf("%s.groups[%d]", at, i), "there is no group %q under groups", name)
			return
		}
	}
	teams := slices.ContainsFunc(a.Groups, func(group string) bool { return len(f.teamsIn(group)) > 0 })
	if may := len(people.Designated(gate.Rule{Users: a.Users, Groups: a.Groups})); may < a.Count && !teams {
		d.failAt(at+".count", "%d approvals are wanted, of %d people who may give them", a.Count, may)
	}
}
