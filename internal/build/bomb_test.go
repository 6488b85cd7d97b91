package build

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// What copies within an object doubles it: forty lines would take all memory. Each way
// to write them is refused, and what people write is not.
func TestGrowthIsBounded(t *testing.T) {
	manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  v: {x: \"" + strings.Repeat("x", 1000) + "\"}\n"
	ops, list := "", ""
	for i := range 40 {
		ops += fmt.Sprintf("- {op: copy, from: /data, path: /data/v%d}\n", i)
		list += fmt.Sprintf("- source: {kind: ConfigMap, name: a, fieldPath: data}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.w%d], options: {create: true}}]\n", i)
	}
	one := "- source: {kind: ConfigMap, name: a, fieldPath: data}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.w], options: {create: true}}]\n"
	levels := map[string]string{"a.yaml": manifest, "l0/kustomization.yaml": "resources: [../b]\nreplacements:\n" + one, "b/kustomization.yaml": "resources: [../a.yaml]\n"}
	for i := 1; i < 40; i++ {
		levels[fmt.Sprintf("l%d/kustomization.yaml", i)] = fmt.Sprintf("resources: [../l%d]\nreplacements:\n%s", i-1, one)
	}
	levels["kustomization.yaml"] = "resources: [l39]\n"
	plugin := "apiVersion: builtin\nkind: ReplacementTransformer\nmetadata: {name: r}\nreplacements:\n" + list
	indented := "  - |\n    " + strings.ReplaceAll(plugin, "\n", "\n    ") + "\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"copies":               {map[string]string{"a.yaml": manifest, "p.yaml": ops, "kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n"}, "accumulated size increase of copy"},
		"replacements":         {map[string]string{"a.yaml": manifest, "kustomization.yaml": "resources: [a.yaml]\nreplacements:\n" + list}, "copy what replacements have written"},
		"replacements, a file": {map[string]string{"a.yaml": manifest, "r.yaml": list, "kustomization.yaml": "resources: [a.yaml]\nreplacements: [{path: r.yaml}]\n"}, "copy what replacements have written"},
		"a transformer":        {map[string]string{"a.yaml": manifest, "r.yaml": plugin, "kustomization.yaml": "resources: [a.yaml]\ntransformers: [r.yaml]\n"}, "copy what replacements have written"},
		"a transformer inline": {map[string]string{"a.yaml": manifest, "kustomization.yaml": "resources: [a.yaml]\ntransformers:\n" + indented}, "copy what replacements have written"},
		"levels":               {levels, "copy what replacements have written"},
	} {
		if _, _, err := Run(context.Background(), files(t, c.files), Recipe{Path: "."}, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.500v, want %q", name, err, c.want)
		}
	}
	fine := ""
	for i := range 100 {
		fine += fmt.Sprintf("- source: {kind: ConfigMap, name: a, fieldPath: data.v}\n  targets: [{select: {kind: ConfigMap, name: a}, fieldPaths: [data.w%d, metadata.annotations.w%d], options: {create: true}}]\n", i, i)
	}
	_, _, err := Run(context.Background(), files(t, map[string]string{
		"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {v: w}\n", "kustomization.yaml": "resources: [a.yaml]\nreplacements:\n" + fine,
	}), Recipe{Path: "."}, Options{})
	if err != nil {
		t.Errorf("replacements that read what none writes: %v", err)
	}
}
