package grant

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world"
)

// secretKind is that of Secrets.
var secretKind = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}

// helmStorage is the type of the Secrets in which Helm keeps releases: large, and nothing
// that anybody would repeat.
const helmStorage = "helm.sh/release.v1"

// keep notes which fields were written, with what is there now, so that it can be
// proposed later. It changes nothing: a unit that was suspended stays so, because the
// fix would be undone before it is in Git.
func (g *Grantor) keep(ctx context.Context, end *access.End, w access.Window) {
	k := keeping{live: g.Acting, masks: map[string]plan.Mask{}}
	for i := range end.Writes {
		if err := k.fields(ctx, &end.Writes[i], w); err != nil {
			end.Miss("fields of %s: %v", end.Writes[i].Object(), err)
		}
	}
	access.Fit(end.Writes)
}

// keeping reads objects, and the secrets of their namespaces that no field may repeat.
type keeping struct {
	live  world.World
	masks map[string]plan.Mask // by namespace
}

// fields notes those of one object; of one that no unit applies there is nothing to
// be proposed.
func (k keeping) fields(ctx context.Context, of *access.Write, w access.Window) error {
	if of.Unit == "" {
		return nil
	}
	m, err := k.live.Kind(ctx, schema.GroupVersionKind{Group: of.Group, Kind: of.Kind})
	if err != nil {
		return err
	}
	obj, err := get(ctx, k.live, object.Ref{Key: of.Object(), Version: m.GVK.Version})
	if err != nil || obj == nil { // it was deleted meanwhile
		return err
	}
	mask, err := k.mask(ctx, of.Namespace)
	if err != nil {
		return err
	}
	of.Fields, of.MoreFields = access.Fields(obj, w, mask)
	return nil
}

// mask knows the Secrets of a namespace. Where they cannot be read no value is noted.
func (k keeping) mask(ctx context.Context, namespace string) (plan.Mask, error) {
	if mask, known := k.masks[namespace]; known || namespace == "" {
		return mask, nil
	}
	all, err := k.live.List(ctx, secretKind, world.Selection{Namespace: namespace})
	if err != nil {
		return plan.Mask{}, fmt.Errorf("read what must not be told: %w", err)
	}
	var clear []string
	for _, s := range all {
		if kind, _, _ := unstructured.NestedString(s.Object, "type"); kind != helmStorage {
			clear = append(clear, valuesOf(s)...)
		}
	}
	k.masks[namespace] = plan.Mask{}.Knowing(clear...)
	return k.masks[namespace], nil
}

func valuesOf(s *unstructured.Unstructured) []string {
	data, _, _ := unstructured.NestedStringMap(s.Object, "data")
	out := make([]string, 0, len(data))
	for _, encoded := range data {
		if value, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			out = append(out, string(value))
		}
	}
	return out
}
