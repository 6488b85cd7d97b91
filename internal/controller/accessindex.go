package controller

import (
	"maps"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
)

// accessIndex has of all requests what counts for others, and all decisions by what they
// are about, so that a run reads neither anew. The zero value is empty.
type accessIndex struct {
	mu        sync.Mutex
	requests  map[string]indexed
	decisions map[types.UID]map[string]access.Decision
}

type indexed struct {
	access.Other
	environment string
}

// request takes a request as it is now; changes may be told in another order than they
// happened in, so now is asked under the lock.
func (x *accessIndex) request(name string, now func() *unstructured.Unstructured) {
	x.mu.Lock()
	defer x.mu.Unlock()
	obj := now()
	if obj == nil {
		delete(x.requests, name)
		return
	}
	if x.requests == nil {
		x.requests = map[string]indexed{}
	}
	environment, _, _ := unstructured.NestedString(obj.Object, "spec", "environment")
	x.requests[name] = indexed{access.OtherOf(obj), environment}
}

// decision takes a decision, which never changes, or forgets it.
func (x *accessIndex) decision(d access.Decision, there func() bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	about := d.Spec.Request.UID
	if !there() {
		if delete(x.decisions[about], d.Name); len(x.decisions[about]) == 0 {
			delete(x.decisions, about)
		}
		return
	}
	if x.decisions == nil {
		x.decisions = map[types.UID]map[string]access.Decision{}
	}
	if x.decisions[about] == nil {
		x.decisions[about] = map[string]access.Decision{}
	}
	x.decisions[about][d.Name] = d
}

// about returns the decisions on a request, in no order.
func (x *accessIndex) about(uid types.UID) []access.Decision {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Values(x.decisions[uid]))
}

// all returns every request, in no order.
func (x *accessIndex) all() []access.Other {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]access.Other, 0, len(x.requests))
	for _, r := range x.requests {
		out = append(out, r.Other)
	}
	return out
}

// waiting names the requests of an environment that are not over.
func (x *accessIndex) waiting(environment string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for name, r := range x.requests {
		if r.environment == environment && !r.Phase.Over() {
			out = append(out, name)
		}
	}
	return out
}
