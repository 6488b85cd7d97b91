package install

import (
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Write prints objects as one YAML stream. Keys are sorted, so that equal
// objects give equal bytes.
func Write(out io.Writer, objs []*unstructured.Unstructured) error {
	for _, obj := range objs {
		text, err := yaml.Marshal(obj.Object)
		if err != nil {
			return fmt.Errorf("write %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
		if _, err := fmt.Fprintf(out, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
