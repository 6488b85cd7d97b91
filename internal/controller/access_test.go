package controller

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world"
)

// readOnly refuses every write.
type readOnly struct{}

func (readOnly) Patch(context.Context, world.Patch) (*unstructured.Unstructured, error) {
	return nil, errors.New("something is written")
}

// A report without a status leaves the one that is there: a request that could not be
// forgotten keeps what became of it.
func TestNoStatusLeavesTheOldOne(t *testing.T) {
	a := &Access{commit: commit.Committer{World: readOnly{}}}
	obj := accessObject(access.RequestKind, "r", map[string]any{"status": map[string]any{"phase": "Denied"}})
	if got, err := a.write(t.Context(), obj, report.Report{}); err != nil || got != obj {
		t.Errorf("got %v, %v", got, err)
	}
}

func accessObject(kind, name string, more map[string]any) *unstructured.Unstructured {
	more["apiVersion"], more["kind"], more["metadata"] = access.Group+"/"+access.Version, kind, map[string]any{"name": name}
	return &unstructured.Unstructured{Object: more}
}

// Whatever order changes are told in, the index has what is there.
func TestAccessIndex(t *testing.T) {
	request := func(phase string) *unstructured.Unstructured {
		return accessObject(access.RequestKind, "r", map[string]any{
			"spec": map[string]any{"environment": "prod", "requester": map[string]any{"username": "alice"}}, "status": map[string]any{"phase": phase},
		})
	}
	var x accessIndex
	now := request("Pending")
	there := func() *unstructured.Unstructured { return now }
	x.request("r", there)
	if got := x.waiting("prod"); len(got) != 1 || len(x.waiting("test")) != 0 {
		t.Errorf("waiting: got %v", got)
	}
	now = request("Denied")
	x.request("r", there)
	x.request("r", there) // the change before, told late
	if got := x.all(); len(got) != 1 || got[0].Phase != access.Denied || got[0].Requester != "alice" || len(x.waiting("prod")) != 0 {
		t.Errorf("got %+v", got)
	}
	now = nil
	x.request("r", there)
	if got := x.all(); len(got) != 0 {
		t.Errorf("what is gone: got %+v", got)
	}

	d := access.Decision{Spec: access.DecisionSpec{Request: access.RequestRef{UID: "1"}}}
	d.Name = "d"
	x.decision(d, func() bool { return true })
	if got := x.about("1"); len(got) != 1 || len(x.about("2")) != 0 {
		t.Errorf("decisions: got %+v", got)
	}
	x.decision(d, func() bool { return false })
	if len(x.decisions) != 0 {
		t.Errorf("what is gone: got %+v", x.decisions)
	}
}
