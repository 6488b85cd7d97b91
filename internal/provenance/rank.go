package provenance

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxCandidates bounds the scalars that are tried for one field.
const maxCandidates = 8

// sought is one field of one object, as it came out of a build.
type sought struct {
	kind, name string
	path       []string
	value      string
}

// candidates returns the leaves that may be what wrote a field, the likeliest
// first.
func candidates(of sought, leaves []*leaf, fresh func(*leaf) bool) []*leaf {
	type scored struct {
		*leaf
		score int
	}
	var found []scored
	for _, l := range leaves {
		score := l.score(of)
		if l.hashedInto(of.value) && fresh(l) {
			score = 200
		}
		if score <= 0 {
			continue
		}
		if fresh(l) {
			score += 25
		}
		found = append(found, scored{l, score})
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	out := make([]*leaf, 0, maxCandidates)
	for _, s := range found[:min(len(found), maxCandidates)] {
		out = append(out, s.leaf)
	}
	return out
}

// hashSuffix is what kustomize adds to the name of what it generates, for its
// content (kyaml v0.21.1 resid and api/hasher: ten of these letters and digits).
var hashSuffix = regexp.MustCompile(`-[bcdfghkmt2456789]{10}$`)

// hashedInto tells whether a leaf is content of a generated object whose name
// the value is.
func (l *leaf) hashedInto(value string) bool {
	if l.kind != "generator" || l.doc == nil || l.doc.name == "" || !hashSuffix.MatchString(value) {
		return false
	}
	return strings.Contains(value[:len(value)-11], l.doc.name)
}

// score says how much speaks for a leaf; nothing or less rules it out.
func (l *leaf) score(of sought) int {
	same := l.resembles(of.value)
	if same == 0 {
		return 0
	}
	tail := commonTail(l.path, of.path)
	if l.kind == "values" {
		return same + 8*tail + akin(l.path, of.path)
	}
	if tail == 0 && (len(of.value) < 3 || same < 20 && l.kind == "") {
		return 0
	}
	score := same + 8*min(tail, 5)
	for i := 1; i <= tail; i++ {
		if l.path[len(l.path)-i] == of.path[len(of.path)-i] {
			score++ // and not another index of the list
		}
	}
	if tail == len(of.path) {
		score += 20
	}
	score += l.identity(of)
	if l.kind != "" && l.kind != "spec" && tail == 0 {
		score = max(1, score-20)
	}
	if n := len(l.path); l.kind == "" && n >= 2 && l.path[n-2] == "metadata" && of.path[0] != "metadata" || l.kind == "" && len(l.path) == 1 && tail == 0 {
		score -= 25
	}
	return score
}

// akin is for values of charts, whose keys are like those of objects at best:
// replicaCount.
func akin(values, field []string) int {
	if len(values) == 0 || len(field) == 0 {
		return 0
	}
	a, b := strings.ToLower(values[len(values)-1]), strings.ToLower(field[len(field)-1])
	if !isIndex(a) && !isIndex(b) && (strings.Contains(a, b) || strings.Contains(b, a)) {
		return 10
	}
	return 0
}

// resembles says how much of the value the leaf's text explains.
func (l *leaf) resembles(value string) int {
	switch {
	case l.value == value:
		return 40
	case strings.Contains(l.value, "${"):
		if template(l.value, value) {
			return 30
		}
	case len(l.value) >= 2 && strings.Contains(value, l.value):
		return 10 + 20*len(l.value)/len(value)
	}
	return 0
}

// template tells whether a text with variables could have become the value.
func template(text, value string) bool {
	rest := value
	for i, part := range variable.Split(text, -1) {
		at := strings.Index(rest, part)
		if at < 0 || i == 0 && at > 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return true
}

// variable matches one substitution, as deep as it is nested once.
var variable = regexp.MustCompile(`\$\{[^{}]*(\{[^{}]*\}[^{}]*)*\}`)

// variableNames matches the names in them.
var variableNames = regexp.MustCompile(`\$\{([_a-zA-Z][_a-zA-Z0-9]*)`)

// identity says how well the object of a leaf fits.
func (l *leaf) identity(of sought) int {
	if l.doc == nil || l.doc.kind == "" {
		return 0
	}
	if l.doc.kind != of.kind {
		return -30
	}
	switch {
	case l.doc.name == of.name:
		return 30
	case l.doc.name != "" && strings.Contains(of.name, l.doc.name), strings.Contains(l.doc.name, "${"):
		return 20
	}
	return 5
}

// commonTail counts the elements that two paths end with; any two indexes of
// lists are taken for the same.
func commonTail(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) {
		x, y := a[len(a)-1-n], b[len(b)-1-n]
		if x != y && !(isIndex(x) && isIndex(y)) {
			break
		}
		n++
	}
	return n
}

func isIndex(s string) bool {
	if s == "-" {
		return true
	}
	_, err := strconv.Atoi(s)
	return err == nil
}
