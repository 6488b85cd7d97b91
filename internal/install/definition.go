package install

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func applyDefinition(ctx context.Context, w world.World, want *unstructured.Unstructured, progress Progress) error {
	live, err := get(ctx, w, object.RefOf(want))
	if err != nil {
		return err
	}
	merged, kept, err := Upgrade(live, want)
	if err != nil {
		return fmt.Errorf("upgrade %s: %w", object.KeyOf(want), err)
	}
	note := ""
	if len(kept) > 0 {
		note = "keeps " + strings.Join(kept, ", ") + ", which this release does not know"
	}
	return apply(ctx, w, merged, progress, note)
}

// Upgrade returns the definition to put over a live one (nil for none): the
// wanted one, with the versions that only the live one has, whose names it
// returns too. Objects may be stored in them and manifests written in them. If
// the live one stores in such a version it goes on doing so: another one might
// drop fields.
func Upgrade(live, want *unstructured.Unstructured) (*unstructured.Unstructured, []string, error) {
	merged := want.DeepCopy()
	if live == nil {
		return merged, nil, nil
	}
	ours, err := versions(merged)
	if err != nil {
		return nil, nil, err
	}
	theirs, err := versions(live)
	if err != nil {
		return nil, nil, err
	}
	var kept []string
	known := byName(ours)
	for _, v := range theirs {
		name, _ := v["name"].(string)
		if known[name] != nil {
			continue
		}
		kept = append(kept, name)
		if v["storage"] == true {
			storeNothing(ours)
		}
		ours = append(ours, v)
	}
	return merged, kept, setVersions(merged, ours)
}

func storeNothing(versions []map[string]any) {
	for _, v := range versions {
		v["storage"] = false
	}
}

func versions(d *unstructured.Unstructured) ([]map[string]any, error) {
	list, _, err := unstructured.NestedSlice(d.Object, "spec", "versions")
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("spec.versions holds a %T", v)
		}
		out = append(out, m)
	}
	return out, nil
}

func byName(versions []map[string]any) map[string]map[string]any {
	out := make(map[string]map[string]any, len(versions))
	for _, v := range versions {
		if name, ok := v["name"].(string); ok {
			out[name] = v
		}
	}
	return out
}

func setVersions(d *unstructured.Unstructured, versions []map[string]any) error {
	list := make([]any, len(versions))
	for i, v := range versions {
		list[i] = v
	}
	return unstructured.SetNestedSlice(d.Object, list, "spec", "versions")
}
