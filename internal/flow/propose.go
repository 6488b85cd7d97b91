package flow

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/tree"
)

// Branch is a branch of a fleet's repository.
type Branch struct {
	Name string
	Tree tree.Tree
}

// Proposal is what a leat.yaml of a fleet would say, as far as files tell it.
type Proposal struct {
	Flow Flow
	// Why says of what was guessed how, by the name of an environment or map.
	Why map[string]string
}

// Propose reads the environments of a fleet, their pins, and what differs between
// them by system, out of its branches. The first branch is the default one.
//
// Two shapes are known. Branches are environments where two of them or more are
// called as a cluster directory that they hold (dev has clusters/dev); otherwise
// each cluster directory of each branch is one, and each directory of Flux v1.
func Propose(branches []Branch) Proposal {
	p := Proposal{Why: map[string]string{}}
	branches = lasting(branches)
	if whole := p.byBranch(branches); len(whole) > 0 {
		p.Flow.Environments = whole
	} else {
		p.Flow.Environments = p.byDirectory(branches)
	}
	p.Flow = p.Flow.withDefaults()
	trees := map[string]tree.Tree{}
	for _, b := range branches {
		trees[b.Name] = b.Tree
	}
	p.Flow.Pins = proposePins(p.Flow.Environments, trees)
	p.stays(trees)
	p.maps(trees)
	p.Flow.APIVersion, p.Flow.Kind = Version, Kind
	return p
}

// stages are words in names of environments, with how far they are from where
// changes begin.
var stages = map[string]int{
	"sandbox": 1, "main": 1, "master": 1, "dev": 2, "development": 2, "integration": 2, "test": 3, "testing": 3, "qa": 3,
	"stg": 4, "stage": 4, "staging": 4, "uat": 4, "playground": 4, "preprod": 5, "preproduction": 5, "prod": 6, "production": 6, "live": 6,
}

// stageOf is the stage that a name tells; 0 for none.
func stageOf(name string) int {
	stage := stages[strings.ToLower(name)]
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		stage = max(stage, stages[word])
	}
	return stage
}

// lasting leaves out branches for one change: what is neither the default branch
// nor called as branches are that stay.
func lasting(all []Branch) []Branch {
	var out []Branch
	for i, b := range all {
		if i == 0 || Lasting(b.Name) {
			out = append(out, b)
		}
	}
	return out
}

// Lasting tells whether a branch is called as those are that stay.
func Lasting(branch string) bool { return stages[strings.ToLower(branch)] > 0 || branch == "release" }

// alike tells whether two names mean one stage: prod and production.
func alike(a, b string) bool {
	return a == b || stages[a] > 1 && stages[a] == stages[b] && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// byBranch are the environments of a fleet in which each has a branch of its own.
func (p Proposal) byBranch(branches []Branch) []Environment {
	var out []Environment
	matched := 0
	taken := map[string]bool{}
	for _, b := range branches {
		e := Environment{Name: b.Name, Branch: b.Name}
		for _, dir := range entry.Clusters(b.Tree) {
			if alike(b.Name, path.Base(dir)) {
				e.Cluster, taken[dir] = dir, true
				matched++
			}
		}
		out = append(out, e)
	}
	if matched < 2 {
		return nil
	}
	for i, e := range out {
		if e.Cluster != "" {
			p.Why[e.Name] = "called as its branch and as " + e.Cluster
			continue
		}
		rest := slices.DeleteFunc(slices.Clone(entry.Clusters(branches[i].Tree)), func(dir string) bool { return taken[dir] })
		slices.SortStableFunc(rest, func(a, b string) int { return cmp.Compare(first(a), first(b)) })
		if len(rest) > 0 {
			out[i].Cluster = rest[0]
			p.Why[e.Name] = "the cluster is guessed, of " + strings.Join(rest, ", ")
		}
	}
	slices.SortStableFunc(out, func(a, b Environment) int { return stageOf(a.Name) - stageOf(b.Name) })
	for i := 1; i < len(out); i++ {
		out[i].Follows, out[i].Move = out[i-1].Name, Merge
	}
	return out
}

// first sorts directories in which a change may begin before others.
func first(dir string) int {
	return cmp.Or(stageOf(path.Base(dir)), len(stages))
}

// byDirectory are the environments of a fleet in which each has a directory.
func (p Proposal) byDirectory(branches []Branch) []Environment {
	var out []Environment
	names := map[string]bool{}
	homes := homesOf(branches)
	for i, b := range branches {
		dirs := places(b.Tree)
		var family []Environment
		for _, dir := range dirs {
			if home := homes[dir]; home != "" && home != b.Name {
				continue
			}
			name := strings.TrimSuffix(strings.TrimSuffix(path.Base(dir), "-configs"), "-config")
			if i > 0 && names[name] {
				name += "-" + b.Name
			}
			names[name] = true
			family = append(family, Environment{Name: name, Branch: b.Name, Directory: dir})
		}
		slices.SortStableFunc(family, func(a, b Environment) int { return first(a.Directory) - first(b.Directory) })
		out = append(out, family...)
	}
	p.chain(out)
	for _, e := range out {
		if homes[e.Directory] != "" {
			p.Why[e.Name] = strings.TrimSuffix("the branch is guessed, other branches have the directory too; "+p.Why[e.Name], "; ")
		}
	}
	return out
}

// released are how branches begin that clusters follow which are not for trying.
var released = []string{"release", "prod", "stable", "live"}

// homesOf says which branch an environment follows whose directory stands on the default
// branch and on one of what is released: there, but for that where changes begin.
func homesOf(branches []Branch) map[string]string {
	out := map[string]string{}
	for i, b := range branches {
		if i == 0 || !slices.ContainsFunc(released, func(word string) bool { return strings.HasPrefix(b.Name, word) }) {
			continue
		}
		there := places(b.Tree)
		both := slices.DeleteFunc(places(branches[0].Tree), func(dir string) bool { return !slices.Contains(there, dir) || out[dir] != "" })
		for _, dir := range both {
			out[dir] = b.Name
		}
		if len(both) > 1 {
			out[slices.MinFunc(both, func(x, y string) int { return first(x) - first(y) })] = branches[0].Name
		}
	}
	return out
}

// chain lets each environment with a stage follow the last of the stage before, of
// its own branch first.
func (p Proposal) chain(all []Environment) {
	for i := range all {
		e := &all[i]
		stage := stageOf(strings.TrimSuffix(e.Name, "-"+e.Branch))
		best, rank := "", 0
		for _, o := range all {
			if at := stageOf(strings.TrimSuffix(o.Name, "-"+o.Branch)); at > 0 && at < stage {
				if at = at * 2; o.Branch == e.Branch {
					at += 100
				}
				if at > rank {
					best, rank = o.Name, at
				}
			}
		}
		if best != "" {
			e.Follows, e.Move = best, Copy
			p.Why[e.Name] = "what it follows is guessed from the names"
		} else if stage == 0 {
			p.Why[e.Name] = "its name tells no stage: say what it follows"
		}
	}
}

// places are the directories of a tree that are environments: where clusters begin,
// and directories that Flux v1 generates from.
func places(t tree.Tree) []string {
	out := slices.Clone(entry.Clusters(t))
	entries, err := t.ReadDir(".")
	if err != nil {
		return out
	}
	for _, e := range entries {
		if e.Kind == tree.Dir && t.Lookup(e.Name+"/.flux.yaml").Kind == tree.File && !slices.Contains(out, e.Name) {
			out = append(out, e.Name)
		}
	}
	return slices.DeleteFunc(out, func(dir string) bool { return dir == "." || checkName(path.Base(dir), "") != nil })
}

// stays are the files that bootstrap writes for each cluster, and what Flux v1 wrote
// into each environment by itself.
func (p *Proposal) stays(trees map[string]tree.Tree) {
	for _, e := range p.Flow.Environments {
		sub, err := trees[e.Branch].Sub(or(e.Directory, "."))
		if err != nil {
			continue
		}
		_ = sub.Walk(func(file string, _ *tree.Blob) error { // the visitor ends it
			if path.Base(file) == entry.SyncFile {
				p.stay(Stay{Files: []string{"**/flux-system/**"}})
				return errEnough
			}
			return nil
		})
		p.staysOfV1(sub)
	}
}

func (p *Proposal) stay(s Stay) {
	known := func(have Stay) bool { return have.Path == s.Path && slices.Equal(have.Files, s.Files) }
	if !slices.ContainsFunc(p.Flow.Stays, known) {
		p.Flow.Stays = append(p.Flow.Stays, s)
	}
}

var patchFile = regexp.MustCompile(`(?m)^ +patchFile: *["']?(?:\./)?([^"'\s]+)`)

// staysOfV1 are a directory's .flux.yaml, the patch that Flux v1 wrote beside it
// (patchUpdated), and images that it updated by filters of their own.
func (p *Proposal) staysOfV1(dir tree.Tree) {
	data, err := dir.ReadFile(".flux.yaml")
	if err != nil {
		return
	}
	p.stay(Stay{Files: []string{".flux.yaml"}})
	if m := patchFile.FindSubmatch(data); m != nil {
		p.stay(Stay{Files: []string{string(m[1])}})
	}
	for _, pin := range p.Flow.Pins {
		if pin.Kind == ImagePin && filtered(dir, path.Dir(pin.File)) {
			p.stay(Stay{Files: []string{pin.File}, Path: pin.Path})
		}
	}
}

// filtered tells whether a file of a folder has a filter of images.
func filtered(dir tree.Tree, folder string) bool {
	found := false
	_ = dir.Walk(func(file string, b *tree.Blob) error { // the visitor ends it
		if data, err := b.Read(); err == nil && path.Dir(file) == folder && bytes.Contains(data, []byte(" filter.fluxcd.io/")) {
			found = true
			return errEnough
		}
		return nil
	})
	return found
}

func or(a, b string) string { return cmp.Or(a, b) }

// label is a line about an environment, for people.
func label(e Environment) string {
	if e.Directory == "" {
		return fmt.Sprintf("branch %s", e.Branch)
	}
	return fmt.Sprintf("branch %s, %s", e.Branch, e.Directory)
}
