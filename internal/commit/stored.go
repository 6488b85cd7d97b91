package commit

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// Stored says of a CustomResourceDefinition that all its objects are stored in
// one version, under the version of the definition that was read. Only then can
// other versions be taken out of it.
func Stored(ctx context.Context, to Patcher, definition *unstructured.Unstructured, version string) error {
	data, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": definition.GetResourceVersion()},
		"status":   map[string]any{"storedVersions": []string{version}},
	})
	if err != nil {
		return err
	}
	_, err = to.Patch(ctx, world.Patch{Ref: object.RefOf(definition), Type: types.MergePatchType, Data: data, Subresource: "status"})
	if err != nil {
		return fmt.Errorf("write the stored versions of %s: %w", object.KeyOf(definition), err)
	}
	return nil
}
