package live

import (
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// standing holds objects that have stood for long and of which nobody has asked since:
// they are judged when somebody does, which is never for most of a large fleet.
type standing struct {
	mu   sync.Mutex
	objs map[object.Key]*unstructured.Unstructured
}

// Stand takes an object as one that has stood for long: nobody is told. It is shared,
// and must not change. It is safe for concurrent use.
func (t Told) Stand(obj *unstructured.Unstructured) {
	t.standing.mu.Lock()
	defer t.standing.mu.Unlock()
	if t.standing.objs == nil {
		t.standing.objs = map[object.Key]*unstructured.Unstructured{}
	}
	t.standing.objs[object.KeyOf(obj)] = obj
}

// settle judges an object that stands, before its row is looked at.
func (t Told) settle(key object.Key) {
	t.standing.mu.Lock()
	defer t.standing.mu.Unlock()
	if obj := t.standing.objs[key]; obj != nil {
		t.judgeStanding(key, obj)
	}
}

// settleAll judges all of them.
func (t Told) settleAll() {
	t.standing.mu.Lock()
	defer t.standing.mu.Unlock()
	for key, obj := range t.standing.objs {
		t.judgeStanding(key, obj)
	}
}

// judgeStanding makes the row of an object that stands; the lock of standing is held.
func (t Told) judgeStanding(key object.Key, obj *unstructured.Unstructured) {
	seen := t.judge(obj)
	delete(t.standing.objs, key)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(key, &row{Seen: seen, told: seen.Health.Status})
}

// Note is Table's.
func (t Told) Note(obj *unstructured.Unstructured) {
	t.settle(object.KeyOf(obj))
	t.Table.Note(obj)
}

// Forget is Table's.
func (t Told) Forget(key object.Key) {
	t.settle(key)
	t.Table.Forget(key)
}

// Owned is Table's.
func (t Told) Owned(owner object.Key) map[object.Key]Seen {
	t.settleAll()
	return t.Table.Owned(owner)
}

// Len is Table's.
func (t Told) Len() (rows, kinds int) {
	t.settleAll()
	return t.Table.Len()
}
