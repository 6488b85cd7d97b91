package provenance

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// The bounds of builds: rounds in which every open question of a unit tries its
// next candidate, all in one build, and those that one question may have alone.
const (
	maxRounds = 4
	maxAlone  = 4
	maxSplits = 3
)

// asked is one question to a site.
type asked struct {
	question
	index int // of the object in the result
	path  []string
	// rest leads from the field to the scalar of it that stands for it.
	rest  []string
	old   any
	cands []*leaf
	next  int
	found *leaf
}

// marks gives every leaf a text that stands nowhere else.
type marks struct{ last int }

// firstMark is large, and as a number fits what takes 32 bits.
const firstMark = 870001

func (m *marks) of(l *leaf) (edit, string) {
	if m.last < firstMark {
		m.last = firstMark - 1
	}
	m.last++
	number := fmt.Sprint(m.last)
	if l.tag == "!!int" {
		return edit{l, number}, number
	}
	return edit{l, "leat" + number}, number
}

// prepare takes up the questions about fields that the build has.
func (s *site) prepare(asks []question) []*asked {
	var out []*asked
	for _, q := range asks {
		if a, ok := s.ask(q); ok {
			out = append(out, a)
		}
	}
	return out
}

func (s *site) ask(of question) (*asked, bool) {
	path, err := plan.ParsePointer(of.pointer)
	if err != nil {
		return nil, false
	}
	i, ok := s.find(of.key)
	if !ok {
		return nil, false
	}
	v, ok := valueAt(s.object(i), path)
	if !ok {
		return nil, false
	}
	q := &asked{question: of, index: i, path: path}
	q.rest = telling(v)
	q.old, _ = valueAt(v, q.rest)
	return q, true
}

// telling leads to the scalar of a value that is likeliest to be found: the
// longest.
func telling(v any) []string {
	var best []string
	size := -1
	var walk func(v any, at []string)
	walk = func(v any, at []string) {
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				walk(v[key], append(slices.Clip(at), key))
			}
		case []any:
			for i, item := range v {
				walk(item, append(slices.Clip(at), index(i)))
			}
		default:
			if n := len(scalar(v)); n > size {
				best, size = at, n
			}
		}
	}
	walk(v, nil)
	return best
}

// full is the path of the scalar.
func (q *asked) full() []string { return append(slices.Clip(q.path), q.rest...) }

// solve finds the leaf of each question, as far as builds are left.
func (s *site) solve(ctx context.Context, questions []*asked, w *work) error {
	s.gather(questions)
	for range maxRounds {
		var edits []edit
		marked := map[*leaf]string{}
		for _, q := range questions {
			if l := q.candidate(); l != nil && marked[l] == "" {
				e, mark := w.marks.of(l)
				edits, marked[l] = append(edits, e), mark
			}
		}
		if len(edits) == 0 {
			break
		}
		if err := s.round(ctx, questions, batch{edits, marked, maxSplits}, w); err != nil {
			return err
		}
		for _, q := range questions {
			q.next++
		}
	}
	for _, q := range questions {
		if err := s.alone(ctx, q, w); err != nil {
			return err
		}
	}
	return nil
}

// gather finds the candidates of all questions.
func (s *site) gather(questions []*asked) {
	values := make([]string, 0, len(questions))
	for _, q := range questions {
		values = append(values, needle(s.seek(q).value))
	}
	s.look(values)
	for _, q := range questions {
		q.cands = candidates(s.seek(q), s.leaves, s.isFresh)
	}
}

// needle is a part of a value that the file it comes from is sure to hold, if
// any part of it is.
func needle(value string) string {
	best := ""
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune("\n:/@-=, \"'", r) }) {
		if len(part) > len(best) {
			best = part
		}
	}
	return best
}

func (s *site) seek(q *asked) sought {
	ref := s.build.Outcome.Result.Objects[q.index].Ref
	value := scalar(q.old)
	if ref.Kind == "Secret" && ref.Group == "" && len(q.path) > 0 && q.path[0] == "data" {
		if clear, err := base64.StdEncoding.DecodeString(value); err == nil && !s.holds(value) {
			value = string(clear)
		}
	}
	return sought{ref.Kind, ref.Name, q.full(), value}
}

// holds tells whether a text stands in a file of the build as it is.
func (s *site) holds(text string) bool {
	return slices.ContainsFunc(s.files, func(file string) bool {
		data, err := s.build.Tree.ReadFile(file)
		return err == nil && strings.Contains(string(data), text)
	})
}

// candidate is the leaf that an open question tries now.
func (q *asked) candidate() *leaf {
	if q.found != nil || q.next >= len(q.cands) || q.cands[0].hashedInto(scalar(q.old)) {
		return nil // a hash carries no mark, so that this is for alone
	}
	return q.cands[q.next]
}

// batch is what one build tries.
type batch struct {
	edits  []edit
	marked map[*leaf]string
	splits int
}

// round builds once, with all the edits; where that fails, with halves of them.
func (s *site) round(ctx context.Context, questions []*asked, b batch, w *work) error {
	objects, err := w.build(ctx, s, b.edits)
	if err != nil {
		return err
	}
	if objects == nil && len(b.edits) > 1 && b.splits > 0 {
		half := len(b.edits) / 2
		for _, part := range [][]edit{b.edits[:half], b.edits[half:]} {
			if err := s.round(ctx, questions, batch{part, b.marked, b.splits - 1}, w); err != nil {
				return err
			}
		}
		return nil
	}
	if objects == nil {
		return nil
	}
	present := map[*leaf]bool{}
	for _, e := range b.edits {
		present[e.leaf] = true
	}
	after := s.reader(objects)
	for _, q := range questions {
		if q.found != nil {
			continue
		}
		now, ok := after.value(q)
		if !ok {
			continue
		}
		for _, l := range q.cands {
			if present[l] && shows(now, b.marked[l]) {
				q.found = l
				break
			}
		}
	}
	return nil
}

// alone tries the candidates of a question one by one, so that they are not in
// each other's way. A boolean that has to stay one is known by the change.
func (s *site) alone(ctx context.Context, q *asked, w *work) error {
	for i := 0; q.found == nil && i < min(len(q.cands), maxAlone); i++ {
		l := q.cands[i]
		e, mark := w.marks.of(l)
		shown := func(now any) bool { return shows(now, mark) }
		if l.hashedInto(scalar(q.old)) {
			shown = func(now any) bool { return hashSuffix.MatchString(scalar(now)) && now != q.old }
		}
		if flipped, ok := flip[l.value]; ok {
			e = edit{l.replaced(), flipped}
			shown = func(now any) bool { return !reflect.DeepEqual(now, q.old) }
		}
		objects, err := w.build(ctx, s, []edit{e})
		if err != nil {
			return err
		}
		if objects == nil {
			continue
		}
		if now, ok := s.reader(objects).value(q); ok && shown(now) {
			q.found = l
		}
	}
	return nil
}

var flip = map[string]string{"true": "false", "false": "true"}

// replaced is the leaf as one whose whole text is changed.
func (l *leaf) replaced() *leaf {
	copied := *l
	copied.tag = "!!bool"
	return &copied
}

// shows tells whether a value carries a mark, in clear or in base64.
func shows(v any, mark string) bool {
	text := scalar(v)
	if strings.Contains(text, mark) {
		return true
	}
	clear, err := base64.StdEncoding.DecodeString(text)
	return err == nil && strings.Contains(string(clear), mark)
}

// reader reads the objects of another build of the same unit.
type reader struct {
	*site
	objects []build.Object
	byKey   map[object.Key]int
	values  map[int]map[string]any
}

func (s *site) reader(objects []build.Object) *reader {
	r := &reader{s, objects, make(map[object.Key]int, len(objects)), map[int]map[string]any{}}
	for i, o := range objects {
		r.byKey[o.Ref.Key] = i
	}
	return r
}

// value returns what became of a field; an object that has another name now is
// known by its place.
func (r *reader) value(q *asked) (any, bool) {
	before := r.build.Outcome.Result.Objects
	i, ok := r.byKey[before[q.index].Ref.Key]
	if !ok {
		if i = q.index; len(r.objects) != len(before) || r.objects[i].Ref.Kind != before[i].Ref.Kind {
			return nil, false
		}
	}
	if r.values[i] == nil {
		r.values[i] = decoded(r.objects[i])
	}
	return valueAt(r.values[i], q.full())
}

// work is what is left of the builds that one request may have.
type work struct {
	marks  marks
	builds int
}

// build builds with edits; no objects and no error where it fails, or where no
// build is left.
func (w *work) build(ctx context.Context, s *site, edits []edit) ([]build.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.builds <= 0 {
		return nil, nil
	}
	w.builds--
	objects, err := s.run(ctx, edits)
	if err != nil {
		return nil, ctx.Err()
	}
	return objects, nil
}
