package access

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// MaxWrites bounds how many writes a status tells.
const MaxWrites = 50

// Write is an object that somebody wrote while a grant held, as its managed fields
// tell: it was the holder, or another who works by hand. Deletions leave no such
// trace; an audit log has them (Audited).
type Write struct {
	Group     string      `json:"group,omitempty"`
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace,omitempty"`
	Name      string      `json:"name"`
	Manager   string      `json:"manager"` // who wrote, as the clients call themselves, with commas
	At        metav1.Time `json:"at"`      // for the last time; the end, where that is not known (kubectl scale)
	Created   bool        `json:"created,omitempty"`
	// Unit is the one that applies the object: "Kustomization/flux-system/apps".
	Unit string `json:"unit,omitempty"`
	// Suspended tells that the object is a unit which was suspended.
	Suspended bool `json:"suspended,omitempty"`
	// Fields are what was written, where it is to be proposed; MoreFields is how many of
	// them did not fit.
	Fields     []Field `json:"fields,omitempty"`
	MoreFields int     `json:"moreFields,omitempty"`
}

// Window is the time of a grant, ends included.
type Window struct{ From, Until time.Time }

func (w Window) has(t time.Time) bool { return !t.Before(w.From) && !t.After(w.Until) }

// machines are the field managers of controllers. The admission policies refuse
// holders of grants who call themselves so.
var machines = []string{
	object.ManagerKustomize, object.ManagerKustomizeStatus, object.ManagerHelm, object.ManagerSource, object.ManagerSourceWatcher,
	"kube-controller-manager", "kube-scheduler", "kube-apiserver", "kubelet", "cloud-controller-manager", "leat", "leat-install",
	"gotk-helm-controller", "gotk-source-controller", "notification-controller",
}

// Written tells who wrote an object by hand within a window.
func Written(gk schema.GroupKind, obj metav1.Object, w Window) (Write, bool) {
	out := Write{
		Group: gk.Group, Kind: gk.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName(),
		Created: w.has(obj.GetCreationTimestamp().Time), Unit: unitOf(obj.GetLabels()),
	}
	var managers []string
	for _, e := range obj.GetManagedFields() {
		if !byHand(e, w) || undated(e) && out.Unit == "" {
			continue
		}
		if !slices.Contains(managers, e.Manager) {
			managers = append(managers, e.Manager)
		}
		if out.At.Before(e.Time) {
			out.At = *e.Time
		}
		out.Suspended = out.Suspended || isUnit(gk) && owns(e, "f:spec", "f:suspend")
	}
	if out.At.IsZero() {
		out.At = metav1.NewTime(w.Until) // by then
	}
	slices.Sort(managers)
	out.Manager = strings.Join(managers, ",")
	return out, len(managers) > 0
}

func isUnit(gk schema.GroupKind) bool {
	return gk == schema.GroupKind{Group: object.GroupKustomize, Kind: "Kustomization"} || gk == schema.GroupKind{Group: object.GroupHelm, Kind: "HelmRelease"}
}

func unitOf(labels map[string]string) string {
	switch {
	case labels[object.OwnerName] != "":
		return "Kustomization/" + labels[object.OwnerNamespace] + "/" + labels[object.OwnerName]
	case labels[object.HelmOwnerName] != "":
		return "HelmRelease/" + labels[object.HelmOwnerNamespace] + "/" + labels[object.HelmOwnerName]
	}
	return ""
}

// owns tells whether an entry has a field.
func owns(e metav1.ManagedFieldsEntry, path ...string) bool {
	if e.FieldsV1 == nil {
		return false
	}
	var fields map[string]json.RawMessage
	raw := e.FieldsV1.Raw
	for _, step := range path {
		fields = nil
		if json.Unmarshal(raw, &fields) != nil || fields[step] == nil {
			return false
		}
		raw = fields[step]
	}
	return true
}

// Unit returns the unit that should put a write back: the one that applies the
// object, or the object itself where it is a unit that was suspended.
func (w Write) unit() string {
	if w.Suspended {
		return w.Kind + "/" + w.Namespace + "/" + w.Name
	}
	return w.Unit
}

// Units returns the units that should put the writes back, each once.
func Units(all []Write) []object.Key {
	seen := map[string]bool{}
	var out []object.Key
	for _, w := range all {
		name := w.unit()
		parts := strings.Split(name, "/")
		if len(parts) != 3 || seen[name] {
			continue
		}
		seen[name] = true
		group := object.GroupKustomize
		if parts[0] == "HelmRelease" {
			group = object.GroupHelm
		}
		out = append(out, object.Key{Group: group, Kind: parts[0], Namespace: parts[1], Name: parts[2]})
	}
	slices.SortFunc(out, object.Compare)
	return out
}

// Bounds of what an end says that it could not look through: how many, and bytes of each.
const (
	maxUnread     = 100
	maxUnreadText = 512
)

// Miss notes what could not be looked through, or put back.
func (e *End) Miss(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxUnreadText {
		text = strings.ToValidUTF8(text[:maxUnreadText], "") + "…"
	}
	if len(e.Unread) < maxUnread {
		e.Unread = append(e.Unread, text)
		return
	}
	more := 1 // the last one gives way
	_, _ = fmt.Sscanf(e.Unread[maxUnread-1], moreUnread, &more)
	e.Unread[maxUnread-1] = fmt.Sprintf(moreUnread, more+1)
}

const moreUnread = "and %d more"

// Sorted orders writes by time and cuts what a status does not hold: last what a unit has
// to do with, so that nobody hides it behind many objects of their own.
func Sorted(all []Write) (shown []Write, more int) {
	slices.SortStableFunc(all, byTime)
	if len(all) <= MaxWrites {
		return all, 0
	}
	shown = slices.Clone(all)
	slices.SortStableFunc(shown, func(a, b Write) int { return cmp.Compare(a.rank(), b.rank()) })
	shown = shown[:MaxWrites]
	slices.SortStableFunc(shown, byTime)
	return shown, len(all) - MaxWrites
}

func byTime(a, b Write) int {
	return cmp.Or(a.At.Compare(b.At.Time), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// rank tells what is told first: units that were suspended, what units apply, the rest.
func (w Write) rank() int {
	switch {
	case w.Suspended:
		return 0
	case w.Unit != "":
		return 1
	}
	return 2
}

// Writable returns the resources that a grant may write, without subresources;
// "*" stands for all of a group.
func (s Snapshot) Writable() []schema.GroupResource {
	rules := s.Rules
	for _, in := range s.Namespaces {
		rules = slices.Concat(rules, in.Rules)
	}
	return writable(rules)
}

func writable(rules []rbacv1.PolicyRule) []schema.GroupResource {
	var out []schema.GroupResource
	for _, rule := range rules {
		if !slices.ContainsFunc(rule.Verbs, func(v string) bool { return slices.Contains(writes, v) }) {
			continue
		}
		out = append(out, resourcesOf(rule)...)
	}
	slices.SortFunc(out, func(a, b schema.GroupResource) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Resource, b.Resource))
	})
	return slices.Compact(out)
}

func resourcesOf(rule rbacv1.PolicyRule) []schema.GroupResource {
	var out []schema.GroupResource
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			base, _, _ := strings.Cut(resource, "/")
			out = append(out, schema.GroupResource{Group: group, Resource: base})
		}
	}
	return out
}
