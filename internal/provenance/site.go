package provenance

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// site is the build of one unit on one side, with all that it read.
type site struct {
	unit  object.Key
	build Build
	graph *graph
	// fresh are the lines that the other side does not have, of files that are not
	// the same there.
	fresh   map[string]map[int]bool
	files   []string
	at      map[object.Key]int            // of an object of the build, as they are asked for
	objects map[object.Key]map[string]any // decoded, as they are asked for
	leaves  []*leaf
	parsed  map[string]bool
	docs    map[string][]*doc // by file, as they are asked for
	origins map[object.Ref]build.Origin
	// render makes the objects with edits; nil builds.
	render func(context.Context, []edit) ([]build.Object, error)
}

func newSite(unit object.Key, b, other Build) *site {
	s := &site{
		unit: unit, build: b, graph: walkFrom(b.Tree, b.Recipe.Path), fresh: map[string]map[int]bool{},
		objects: map[object.Key]map[string]any{}, parsed: map[string]bool{}, docs: map[string][]*doc{},
	}
	for _, r := range b.Outcome.Reads.In(record.File) {
		if r.Answer == record.Miss {
			continue
		}
		s.files = append(s.files, r.Key)
		if other.Tree.Files() > 0 && other.Tree.Lookup(r.Key).ID != b.Tree.Lookup(r.Key).ID {
			s.fresh[r.Key] = newLines(b.Tree, other.Tree, r.Key)
		}
	}
	s.leaves = specLeaves(b.Recipe)
	return s
}

// newLines returns the lines of a file that another tree's does not have.
func newLines(t, other tree.Tree, file string) map[int]bool {
	before, out := map[string]bool{}, map[int]bool{}
	if data, err := other.ReadFile(file); err == nil && len(data) <= maxText {
		for line := range strings.Lines(string(data)) {
			before[strings.TrimSpace(line)] = true
		}
	}
	data, err := t.ReadFile(file)
	if err != nil || len(data) > maxText {
		return out
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		if n++; !before[strings.TrimSpace(line)] {
			out[n] = true
		}
	}
	return out
}

// isFresh tells whether a leaf is not the same on the other side. That of a
// whole file is not where any line differs.
func (s *site) isFresh(l *leaf) bool {
	lines := s.fresh[l.in.file]
	return lines[l.line] || len(lines) > 0 && l.isFile()
}

// isFile tells whether a leaf is a whole file.
func (l *leaf) isFile() bool { return l.kind == "generator" && l.from == l.to && l.line == 1 }

// lineOfLeaf is where a leaf stands; of a whole file, or a text of many lines, the
// first line that is not the same on the other side.
func (s *site) lineOfLeaf(l *leaf) int {
	first, last := l.line+1, l.line+1+strings.Count(l.value, "\n")
	if l.isFile() {
		first = 1
	} else if !l.block {
		return l.line
	}
	for line := first; line <= last; line++ {
		if s.fresh[l.in.file][line] {
			return line
		}
	}
	return l.line
}

// find returns the object of the build that a reference means; a namespace that
// the manifest leaves out is the server's to add.
func (s *site) find(key object.Key) (int, bool) {
	key = key.In("") // a build knows of no cluster
	if s.at == nil {
		s.at = make(map[object.Key]int, len(s.build.Outcome.Result.Objects))
		for i, o := range s.build.Outcome.Result.Objects {
			if _, twice := s.at[o.Ref.Key]; !twice {
				s.at[o.Ref.Key] = i
			}
		}
	}
	if i, ok := s.at[key]; ok {
		return i, true
	}
	if key.Namespace == "" {
		return s.inSomeNamespace(key)
	}
	key.Namespace = ""
	i, ok := s.at[key]
	return i, ok
}

// inSomeNamespace finds the only object that was built with a namespace which its kind does not
// have (apply.Scoped).
func (s *site) inSomeNamespace(key object.Key) (int, bool) {
	found := -1
	for at, i := range s.at {
		if at.Namespace = ""; at != key {
			continue
		}
		if found >= 0 {
			return 0, false
		}
		found = i
	}
	return max(found, 0), found >= 0
}

// object decodes an object of the build.
func (s *site) object(i int) map[string]any {
	o := s.build.Outcome.Result.Objects[i]
	if have, ok := s.objects[o.Ref.Key]; ok {
		return have
	}
	v := decoded(o)
	s.objects[o.Ref.Key] = v
	return v
}

func decoded(o build.Object) map[string]any {
	var v map[string]any
	if json.Unmarshal(o.JSON, &v) != nil {
		return nil
	}
	return v
}

// look parses those files that could hold one of the values, or variables, and
// those that are not the same on the other side.
func (s *site) look(values []string) {
	for _, file := range s.files {
		if s.parsed[file] {
			continue
		}
		data, err := s.build.Tree.ReadFile(file)
		if err != nil || s.fresh[file] == nil && !holdsAny(string(data), values) {
			continue
		}
		s.parsed[file] = true
		s.leaves = append(s.leaves, s.leavesOf(file, data)...)
	}
}

func holdsAny(text string, values []string) bool {
	if strings.Contains(text, "${") {
		return true
	}
	return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(text, v) })
}

func (s *site) leavesOf(file string, data []byte) []*leaf {
	var out []*leaf
	for _, p := range s.graph.pairs {
		if p.file == file {
			out = append(out, p.leaves(data)...)
		}
	}
	if !isYAML(file) && !s.graph.kustomizations[file] || len(out) > 0 {
		return out
	}
	found := parse(place{file: file}, data)
	if s.graph.kustomizations[file] {
		return settings(found.leaves)
	}
	if kind := s.graph.role(file); kind != "base" && kind != "component" {
		for _, l := range found.leaves {
			l.kind, l.note = kind, s.graph.by[file].field
		}
	}
	return found.leaves
}

func isYAML(file string) bool {
	ext := path.Ext(file)
	return ext == ".yaml" || ext == ".yml" || ext == ".json"
}

// leaves are what a generator makes of a file: each line of KEY=value, or the
// whole file as one value.
func (p pair) leaves(data []byte) []*leaf {
	in, note := place{file: p.file}, "generator: "+p.object
	of := &doc{name: p.object, line: 1}
	if p.key != "" {
		end := len(strings.TrimRight(string(data), "\n"))
		return []*leaf{{
			in: in, line: 1, path: []string{"data", p.key}, lines: []int{1, 1}, value: string(data), tag: "!!str",
			doc: of, from: end, to: end, kind: "generator", note: note,
		}}
	}
	var out []*leaf
	offset := 0
	for i, line := range strings.SplitAfter(string(data), "\n") {
		text := strings.TrimRight(line, "\r\n")
		if key, value, ok := strings.Cut(text, "="); ok && !strings.HasPrefix(text, "#") {
			to := offset + len(text)
			out = append(out, &leaf{
				in: in, line: i + 1, path: []string{"data", key}, lines: []int{i + 1, i + 1}, value: value, tag: "!!str",
				doc: of, from: to - len(value), to: to, kind: "generator", note: note,
			})
		}
		offset += len(line)
	}
	return out
}

// edit is a change of one leaf.
type edit struct {
	*leaf
	text string // in its place
}

// run builds with edits, and returns the objects in the order of the build.
func (s *site) run(ctx context.Context, edits []edit) ([]build.Object, error) {
	if s.render != nil {
		return s.render(ctx, edits)
	}
	t, r, err := s.edited(edits)
	if err != nil {
		return nil, err
	}
	result, _, err := build.Run(ctx, t, r, s.build.Options)
	return result.Objects, err
}

func (s *site) edited(edits []edit) (tree.Tree, build.Recipe, error) {
	t, r := s.build.Tree, s.build.Recipe
	byPlace := map[place][]edit{}
	for _, e := range edits {
		byPlace[e.in] = append(byPlace[e.in], e)
	}
	for _, at := range slices.SortedFunc(maps.Keys(byPlace), func(a, b place) int { return strings.Compare(a.file+a.field, b.file+b.field) }) {
		splice := func(text string) string { return spliced(text, byPlace[at]) }
		var err error
		if at.file == "" {
			if r, err = withField(r, at.field, splice); err != nil {
				return t, r, err
			}
			continue
		}
		data, err := t.ReadFile(at.file)
		if err != nil {
			return t, r, err
		}
		if t, err = t.With(at.file, tree.BlobOf([]byte(splice(string(data))))); err != nil {
			return t, r, err
		}
	}
	return t, r, nil
}

// spliced makes the edits from the last to the first.
func spliced(text string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return b.to - a.to })
	limit := len(text) + 1
	for _, e := range edits {
		from := e.from
		if e.text != "" && e.appends() {
			from = e.to
		}
		if e.to > limit || from > e.to {
			continue
		}
		text = text[:from] + e.text + text[e.to:]
		limit = from
	}
	return text
}

// appends tells whether a leaf is changed by what is added to it: numbers and
// the like are replaced.
func (l *leaf) appends() bool { return l.tag == "!!str" }

// valueAt follows a path; an element of a list can be named by index or by one
// of its fields, name=web.
func valueAt(v any, path []string) (any, bool) {
	for _, key := range path {
		switch node := v.(type) {
		case map[string]any:
			next, ok := node[key]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, ok := itemAt(node, key)
			if !ok {
				return nil, false
			}
			v = node[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func itemAt(list []any, key string) (int, bool) {
	if i, err := strconv.Atoi(key); err == nil {
		return i, i >= 0 && i < len(list)
	}
	field, want, ok := strings.Cut(strings.Trim(key, "[]"), "=")
	if !ok {
		return 0, false
	}
	i := slices.IndexFunc(list, func(item any) bool {
		m, _ := item.(map[string]any)
		return m != nil && scalar(m[field]) == want
	})
	return i, i >= 0
}

// scalar is a value as text; empty for maps and lists.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
