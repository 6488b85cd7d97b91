package install

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Op says what happened to an object.
type Op string

// The ops, in the words of kubectl.
const (
	Created    Op = "created"
	Configured Op = "configured"
	Unchanged  Op = "unchanged"
	Ready      Op = "ready"
	Waiting    Op = "waiting"
	Released   Op = "released" // a finalizer of Flux was taken off
	Deleted    Op = "deleted"
	Kept       Op = "kept"
)

// Step is what was done to one object, or would be.
type Step struct {
	Op  Op
	Key object.Key
	// Note says more, where there is more to say.
	Note string
}

// Progress is told of every step; nil is fine.
type Progress func(Step)

func (p Progress) say(op Op, key object.Key, note string) {
	if p != nil {
		p(Step{op, key, note})
	}
}

// pollEvery is how often something that is awaited is looked at. Installing is
// done by people, seldom, so a watch would be more than it needs.
const pollEvery = 200 * time.Millisecond

// until asks again and again until the answer is yes, an error, or the context
// ends; the error is then what it waited for.
func until(ctx context.Context, done func() (bool, error)) error {
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		timer := time.NewTimer(pollEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// Kinds that are treated apart.
var (
	definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
	namespaceKind  = schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	deploymentKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	podKind        = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
)
