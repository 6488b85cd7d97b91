package flow

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/tree"
)

// The evidence that a word is another one in each environment: so many values, in so
// many files.
const (
	enoughValues = 3
	enoughFiles  = 2
)

// maps finds words by which the files of one environment differ from those of the
// one that it follows, again and again: radixdev and radixprod.
func (p *Proposal) maps(trees map[string]tree.Tree) {
	for _, e := range p.Flow.Environments {
		before, ok := p.Flow.Environment(e.Follows)
		if !ok || e.Directory == "" {
			continue
		}
		for _, s := range swaps(textsBy(trees, before), textsBy(trees, e)) {
			p.add(s, before.Name, e.Name)
		}
	}
	for i := range p.Flow.Maps {
		p.fill(&p.Flow.Maps[i], trees)
	}
}

// fill says which of its words a map has in the environments of the same chain in
// which no word changes.
func (p *Proposal) fill(m *Map, trees map[string]tree.Tree) {
	chain := ""
	for _, e := range p.Flow.Environments {
		if m.Values[e.Name] != "" {
			chain = p.root(e)
		}
	}
	for _, e := range p.Flow.Environments {
		if m.Values[e.Name] != "" || p.root(e) != chain {
			continue
		}
		count := map[string]int{}
		for place, text := range textsBy(trees, e) {
			if m.Path != "" && filterKey.MatchString(place[1]) {
				count[text]++
			} else if m.Path == "" && host.MatchString(text) {
				word, _, _ := strings.Cut(text, ".")
				count[word]++
			}
		}
		words := slices.Collect(maps.Values(m.Values))
		slices.SortFunc(words, func(a, b string) int { return cmp.Or(count[b]-count[a], cmp.Compare(a, b)) })
		if count[words[0]] > 0 {
			m.Values[e.Name] = words[0]
		}
	}
}

// root is the environment in which the chain of another begins.
func (p *Proposal) root(e Environment) string {
	for range p.Flow.Environments {
		before, ok := p.Flow.Environment(e.Follows)
		if !ok {
			break
		}
		e = before
	}
	return e.Name
}

// swap is a word in place of another.
type swap struct {
	path   string // where the whole value is the word; empty for words in values
	a, b   string
	values int
	files  map[string]bool
}

// add notes a swap in the map that has one of its words already, or in a new one.
func (p *Proposal) add(s swap, before, name string) {
	for i, m := range p.Flow.Maps {
		if m.Path == s.path && (m.Values[before] == s.a && m.Values[name] == "") {
			p.Flow.Maps[i].Values[name] = s.b
			return
		}
	}
	m := Map{Name: s.name(), Path: s.path, Values: map[string]string{before: s.a, name: s.b}}
	for n := 2; slices.ContainsFunc(p.Flow.Maps, func(o Map) bool { return o.Name == m.Name }); n++ {
		m.Name = s.name() + "-" + string(rune('0'+n%10))
	}
	p.Flow.Maps = append(p.Flow.Maps, m)
}

func (s swap) name() string {
	if s.path != "" {
		return "filter"
	}
	return "registry"
}

// textsBy are the values of an environment by file and place in it.
func textsBy(trees map[string]tree.Tree, e Environment) map[[2]string]string {
	out := map[[2]string]string{}
	sub, err := trees[e.Branch].Sub(or(e.Directory, "."))
	if err != nil {
		return out
	}
	_ = sub.Walk(func(file string, b *tree.Blob) error { // what cannot be read tells nothing
		if !isYAML(file) || generated(file) {
			return nil
		}
		data, err := b.Read()
		if err != nil || len(data) > maxPinFile {
			return nil
		}
		values, err := edit.Values(data)
		if err != nil {
			return nil
		}
		for _, v := range values {
			out[[2]string{file, v.Path.String()}] = v.Text
		}
		return nil
	})
	return out
}

var (
	host      = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*\.[a-z]{2,}(:\d+)?(/|$)`) // of a registry or its images
	filterKey = regexp.MustCompile(`^(\d+:)?\.metadata\.annotations\."(filter\.fluxcd\.io/|flux\.weave\.works/tag\.)`)
)

// swaps are the words that stand against each other often enough, the surest first.
func swaps(a, b map[[2]string]string) []swap {
	found := map[[3]string]*swap{}
	note := func(at, from, to, file string) {
		k := [3]string{at, from, to}
		if found[k] == nil {
			found[k] = &swap{path: at, a: from, b: to, files: map[string]bool{}}
		}
		found[k].values++
		found[k].files[file] = true
	}
	for place, from := range a {
		to, ok := b[place]
		if !ok || from == to {
			continue
		}
		if prefix := filterKey.FindString(place[1]); prefix != "" {
			note(`.metadata.annotations."`+prefix[strings.Index(prefix, `"`)+1:]+`*"`, from, to, place[0])
		} else if from, to := hostWord(from, to); from != "" {
			note("", from, to, place[0])
		}
	}
	var out []swap
	for _, s := range found {
		if s.values >= enoughValues && len(s.files) >= enoughFiles {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(x, y swap) int {
		return cmp.Or(y.values-x.values, cmp.Compare(x.path, y.path), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	return out
}

// hostWord is the word by which two names of registries differ: the first label of
// their host.
func hostWord(a, b string) (from, to string) {
	if !host.MatchString(a) || !host.MatchString(b) {
		return "", ""
	}
	from, restA, _ := strings.Cut(a, ".")
	to, restB, _ := strings.Cut(b, ".")
	hostA, _, _ := strings.Cut(restA, "/")
	hostB, _, _ := strings.Cut(restB, "/")
	if from == to || hostA != hostB {
		return "", ""
	}
	return from, to
}
