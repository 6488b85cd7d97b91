package app

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world"
)

// keeping says of units that wait for the health of objects what keeps those: the
// engine knows that a Deployment is not available, its pods know why.
type keeping struct {
	world.Reader
	objects map[string]*unstructured.Unstructured // by name of their key
	known   map[string][]*unstructured.Unstructured
}

func newKeeping(r world.Reader, objects []*unstructured.Unstructured) keeping {
	k := keeping{r, map[string]*unstructured.Unstructured{}, map[string][]*unstructured.Unstructured{}}
	for _, obj := range objects {
		k.objects[object.KeyOf(obj).String()] = obj
	}
	return k
}

// mostKept bounds how many objects of a unit are explained.
const mostKept = 3

// explain adds to the message of each unit that waits for objects what keeps them.
func (k keeping) explain(ctx context.Context, r *fleet.Rendered) error {
	for i := range r.Units {
		u := &r.Units[i]
		if u.State == fleet.Ready || u.State == fleet.Suspended {
			continue
		}
		why, err := k.all(ctx, u.On)
		if err != nil {
			return err
		}
		u.Message = reasoned(u.Reason, u.Message, why)
	}
	return nil
}

// reasoned is what a unit says, with what keeps the objects that it waits for.
func reasoned(reason, message, why string) string {
	switch {
	case why == "":
		return message
	case reason == report.ReasonProgressing:
		return why
	default:
		return message + ": " + why
	}
}

// all is what keeps the objects of these names, as far as they are known and say so.
func (k keeping) all(ctx context.Context, names []string) (string, error) {
	var why []string
	for _, on := range names {
		obj := k.objects[on]
		if obj == nil || len(why) == mostKept {
			continue
		}
		text, err := k.why(ctx, obj)
		if err != nil {
			return "", err
		}
		if text != "" {
			why = append(why, on+" is not ready ("+text+")")
		}
	}
	return strings.Join(why, ", "), nil
}

// workloads are the kinds that have pods, which know why they are not ready.
var workloads = map[string]schema.GroupVersionKind{
	"Deployment": {Group: "apps", Version: "v1", Kind: "Deployment"}, "StatefulSet": {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	"DaemonSet": {Group: "apps", Version: "v1", Kind: "DaemonSet"}, "ReplicaSet": {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	"Job": {Group: "batch", Version: "v1", Kind: "Job"}, "Pod": {Version: "v1", Kind: "Pod"},
}

// fetch makes those of the names known that are of a kind with pods.
func (k keeping) fetch(ctx context.Context, names []string) error {
	for _, on := range names[:min(len(names), mostKept)] {
		kind, rest, _ := strings.Cut(on, "/")
		namespace, name, whole := strings.Cut(rest, "/")
		gvk, known := workloads[kind]
		if !known || !whole {
			continue
		}
		objects, err := k.list(ctx, gvk, namespace)
		if err != nil {
			return err
		}
		for _, obj := range objects {
			if obj.GetName() == name {
				k.objects[on] = obj
			}
		}
	}
	return nil
}

// why is what keeps one object.
func (k keeping) why(ctx context.Context, obj *unstructured.Unstructured) (string, error) {
	f := health.Family{Object: obj}
	family := map[string]bool{string(obj.GetUID()): true}
	sets, err := k.list(ctx, schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}, obj.GetNamespace())
	if err != nil {
		return "", err
	}
	for _, set := range sets {
		if ownedBy(set, family) {
			family[string(set.GetUID())] = true
		}
	}
	pods, err := k.list(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, obj.GetNamespace())
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		if ownedBy(pod, family) {
			f.Pods = append(f.Pods, pod)
		}
	}
	for _, pod := range f.Pods {
		family[string(pod.GetUID())] = true
	}
	events, err := k.list(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Event"}, obj.GetNamespace())
	if err != nil {
		return "", err
	}
	for _, e := range events {
		uid, _, _ := unstructured.NestedString(e.Object, "involvedObject", "uid")
		if family[uid] && e.Object["type"] == "Warning" {
			f.Warnings = append(f.Warnings, e)
		}
	}
	slices.SortStableFunc(f.Warnings, func(a, b *unstructured.Unstructured) int { return strings.Compare(lastSeen(a), lastSeen(b)) })
	return f.Why(), nil
}

// list is all of a kind in a namespace, asked for once.
func (k keeping) list(ctx context.Context, gvk schema.GroupVersionKind, namespace string) ([]*unstructured.Unstructured, error) {
	if namespace == "" {
		return nil, nil
	}
	name := gvk.Kind + "/" + namespace
	if found, known := k.known[name]; known {
		return found, nil
	}
	found, err := k.List(ctx, gvk, world.Selection{Namespace: namespace})
	k.known[name] = found
	return found, err
}

func ownedBy(obj *unstructured.Unstructured, family map[string]bool) bool {
	return slices.ContainsFunc(obj.GetOwnerReferences(), func(o metav1.OwnerReference) bool { return family[string(o.UID)] })
}

// lastSeen is when an Event was last told of.
func lastSeen(e *unstructured.Unstructured) string {
	for _, field := range []string{"lastTimestamp", "eventTime"} {
		if s, _ := e.Object[field].(string); s != "" {
			return s
		}
	}
	return ""
}
