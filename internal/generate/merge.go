package generate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/tree"
)

// MaxMerged bounds the files that are merged: parsed YAML takes many times its
// size in memory.
const MaxMerged = 16 << 20

// mergeFiles returns base with the values of over, as Helm merges values: maps
// key by key, everything else, lists and nulls too, replaced whole. The mode is
// that of base.
func mergeFiles(base, over *tree.Blob) (*tree.Blob, error) {
	low, err := readValues(base)
	if err != nil {
		return nil, fmt.Errorf("the file there: %w", err)
	}
	high, err := readValues(over)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(mergeMaps(low, high))
	if err != nil {
		return nil, err
	}
	merged := tree.BlobOf(text)
	merged.Mode = base.Mode
	return merged, nil
}

// readValues reads the documents of a file, the later ones merged over the
// earlier.
func readValues(b *tree.Blob) (map[string]any, error) {
	if b.Size > MaxMerged {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d for files that are merged", b.Size, MaxMerged)
	}
	body, err := b.Read()
	if err != nil {
		return nil, err
	}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(body)))
	out := map[string]any{}
	for n := 1; ; n++ {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		values := map[string]any{}
		if err := yaml.Unmarshal(doc, &values); err != nil {
			return nil, fmt.Errorf("document %d: %w", n, err)
		}
		out = mergeMaps(out, values)
	}
}

func mergeMaps(base, over map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(over))
	maps.Copy(out, base)
	for key, value := range over {
		low, isMap := out[key].(map[string]any)
		high, areMaps := value.(map[string]any)
		if isMap && areMaps {
			value = mergeMaps(low, high)
		}
		out[key] = value
	}
	return out
}
