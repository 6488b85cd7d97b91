// Package record notes what a computation read. The list of its reads, the
// ReadSet, is at once the key under which the result may be used again, the
// set of things whose change must wake the computation, the answer to «why did
// this rebuild», and the set of units that a change touches.
//
//	rec := &record.Recorder{}
//	rec.Note(record.Read{Space: record.File, Key: "apps/web/kustomization.yaml", Answer: blob.ID})
//	set := rec.Set()
//	if why, ok := set.Changed(ask); !ok { … nothing it read has changed … }
//
// A Recorder must be told of misses and listings as well as of hits: a file
// that was not there is an answer too.
package record

import (
	"slices"
	"strings"
	"sync"

	"github.com/leat-dev/leat/internal/hash"
)

// Space says what kind of question was asked.
type Space string

// The spaces of questions. Each front that replays a ReadSet answers the
// spaces it knows.
const (
	// File is the content of a file of a tree; the zero answer is a miss.
	File Space = "file"
	// Stat asks whether a path exists in a tree and of which kind it is.
	Stat Space = "stat"
	// Dir is the listing (names and kinds, not contents) of a directory of a tree.
	Dir Space = "dir"
	// Object is an object of the cluster, or the part of it that was used.
	Object Space = "object"
	// Remote is the content of a tree fetched from outside, by its URL.
	Remote Space = "remote"
	// Schema is a kind of the cluster's API.
	Schema Space = "schema"
	// Time is a bucket of time, such as the running interval.
	Time Space = "time"
)

// Miss is the answer «there is no such thing».
var Miss = hash.ID{}

// Read is one question with the hash of its answer.
type Read struct {
	Space  Space
	Key    string
	Answer hash.ID
}

// Compare orders reads by space and key.
func Compare(a, b Read) int {
	if c := strings.Compare(string(a.Space), string(b.Space)); c != 0 {
		return c
	}
	return strings.Compare(a.Key, b.Key)
}

// Recorder collects reads. It may be used by several goroutines at once. The
// first answer to a question counts: the things read are immutable views.
type Recorder struct {
	mu    sync.Mutex
	reads map[question]hash.ID
}

type question struct {
	space Space
	key   string
}

// Note adds r unless its question has been noted before.
func (rec *Recorder) Note(r Read) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.reads == nil {
		rec.reads = make(map[question]hash.ID)
	}
	q := question{r.Space, r.Key}
	if _, seen := rec.reads[q]; !seen {
		rec.reads[q] = r.Answer
	}
}

// Set returns what was read so far, sorted.
func (rec *Recorder) Set() Set {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	set := make(Set, 0, len(rec.reads))
	for q, a := range rec.reads {
		set = append(set, Read{q.space, q.key, a})
	}
	slices.SortFunc(set, Compare)
	return set
}

// Set is a sorted list of reads, each question once. It is immutable.
type Set []Read

// Change is a read whose answer is no longer the same.
type Change struct {
	Read
	Now hash.ID
}

// String says what changed the way a person is told: the key and both answers.
func (c Change) String() string {
	return c.Key + " " + answer(c.Answer) + "→" + answer(c.Now)
}

func answer(id hash.ID) string {
	if id == Miss {
		return "(absent)"
	}
	return id.Short()
}

// Ask answers a question now. The second result is false where the asker does
// not know the space; such a read counts as changed.
type Ask func(space Space, key string) (hash.ID, bool)

// FirstChange replays the set and returns the first read whose answer differs.
func (s Set) FirstChange(ask Ask) (Change, bool) {
	for _, r := range s {
		now, known := ask(r.Space, r.Key)
		if !known || now != r.Answer {
			return Change{r, now}, true
		}
	}
	return Change{}, false
}

// Changes replays the whole set and returns every read whose answer differs.
func (s Set) Changes(ask Ask) []Change {
	var out []Change
	for _, r := range s {
		if now, known := ask(r.Space, r.Key); !known || now != r.Answer {
			out = append(out, Change{r, now})
		}
	}
	return out
}

// In returns the reads of one space.
func (s Set) In(space Space) Set {
	var out Set
	for _, r := range s {
		if r.Space == space {
			out = append(out, r)
		}
	}
	return out
}

// ID returns the hash of the list: equal for equal questions with equal answers.
func (s Set) ID() hash.ID {
	rec := hash.New("readset/v1")
	for _, r := range s {
		rec.Str(string(r.Space)).Str(r.Key).ID(r.Answer)
	}
	return rec.Sum()
}
