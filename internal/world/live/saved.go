package live

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

// Stand takes an object as one that has stood for long: nobody is told. It is safe
// for concurrent use.
func (t Told) Stand(obj *unstructured.Unstructured) {
	seen := t.judge(obj)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(object.KeyOf(obj), &row{Seen: seen, told: seen.Health.Status})
}
