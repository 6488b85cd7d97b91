package build

import (
	"fmt"
	"strings"
)

// hostile are overlays that a few people could write and that take kustomize as long as
// they like: n is about how much there is of each.
var hostile = map[string]func(n int) map[string]string{
	"objects": func(n int) map[string]string { // each is compared with each
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-\n", "a.yaml": manyConfigMaps(n)}
	},
	"patches with patterns": func(n int) map[string]string {
		k := "resources: [a.yaml]\npatches:\n"
		for i := range n / 25 {
			k += fmt.Sprintf("- {patch: '[{\"op\": \"add\", \"path\": \"/metadata/annotations\", \"value\": {\"a%d\": \"b\"}}]', target: {kind: .*, name: '(a|c).*'}}\n", i)
		}
		return map[string]string{"kustomization.yaml": k, "a.yaml": manyConfigMaps(n)}
	},
	"one large patch": func(n int) map[string]string {
		p := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\ndata:\n"
		for i := range n {
			p += fmt.Sprintf("  k%d: v\n", i)
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n", "p.yaml": p, "a.yaml": manyConfigMaps(n)}
	},
	"one large JSON patch": func(n int) map[string]string {
		p := strings.Builder{}
		for i := range n {
			fmt.Fprintf(&p, "- {op: add, path: /metadata/k%d, value: v}\n", i)
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n", "p.yaml": p.String(), "a.yaml": manyConfigMaps(n)}
	},
	"copies": func(n int) map[string]string {
		p := "- {op: add, path: /data, value: {a: " + strings.Repeat("x", 900) + "}}\n"
		for i := range 9 {
			p += fmt.Sprintf("- {op: copy, from: /data, path: /data/v%d}\n", i)
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n", "p.yaml": p, "a.yaml": manyConfigMaps(n)}
	},
	"long patterns": func(n int) map[string]string {
		k := fmt.Sprintf("resources: [a.yaml]\npatches: [{patch: '[{\"op\": \"add\", \"path\": \"/x\", \"value\": \"y\"}]', target: {name: '(%sa)*'}}]\n", strings.Repeat("(a?){500}", n/20))
		return map[string]string{"kustomization.yaml": k, "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + strings.Repeat("a", n) + "}\n"}
	},
	"replacements": func(n int) map[string]string {
		k := "resources: [a.yaml]\nreplacements:\n"
		for i := range n / 25 {
			k += fmt.Sprintf("- {source: {kind: ConfigMap, name: a0, fieldPath: metadata.name}, targets: [{select: {kind: '.*'}, fieldPaths: [data.k%d], options: {create: true}}]}\n", i)
		}
		return map[string]string{"kustomization.yaml": k, "a.yaml": manyConfigMaps(n)}
	},
	"replacements of a large value": func(n int) map[string]string {
		k := "resources: [a.yaml, b.yaml]\nreplacements:\n- source: {kind: Secret, name: b, fieldPath: data.k}\n  targets:\n  - {select: {kind: ConfigMap}, options: {create: true}, fieldPaths: ["
		for i := range n / 100 {
			k += fmt.Sprintf("data.k%d, ", i)
		}
		return map[string]string{
			"kustomization.yaml": k + "data.k]}\n", "a.yaml": manyConfigMaps(n),
			"b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\ndata: {k: " + strings.Repeat("x", 100*n) + "}\n",
		}
	},
	"components": func(n int) map[string]string {
		k, out := "resources: [a.yaml]\ncomponents:\n", map[string]string{"a.yaml": manyConfigMaps(n)}
		for i := range n / 50 {
			k += fmt.Sprintf("- c%d\n", i)
			out[fmt.Sprintf("c%d/kustomization.yaml", i)] = fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {a%d: b}\n", i)
		}
		out["kustomization.yaml"] = k
		return out
	},
	"levels": func(n int) map[string]string {
		out := map[string]string{"l0/kustomization.yaml": "resources: [a.yaml]\n", "l0/a.yaml": manyConfigMaps(n)}
		for i := range n / 50 {
			out[fmt.Sprintf("l%d/kustomization.yaml", i+1)] = fmt.Sprintf("resources: [../l%d]\nnameSuffix: -a\nlabels: [{pairs: {a%d: b}}]\n", i, i)
		}
		out["kustomization.yaml"] = fmt.Sprintf("resources: [l%d]\n", n/50)
		return out
	},
	"bases that multiply": func(n int) map[string]string {
		out := map[string]string{"l0/kustomization.yaml": "resources: [a.yaml]\n", "l0/a.yaml": manyConfigMaps(20)}
		level := 0
		for size := 20; size < n; size *= 4 {
			k := "resources: ["
			for _, side := range []string{"a", "b", "c", "d"} {
				k += fmt.Sprintf("%s%d, ", side, level)
				out[fmt.Sprintf("l%d/%s%d/kustomization.yaml", level+1, side, level)] = fmt.Sprintf("resources: [../../l%d]\nnamePrefix: %s\n", level, side)
			}
			level++
			out[fmt.Sprintf("l%d/kustomization.yaml", level)] = strings.TrimSuffix(k, ", ") + "]\n"
		}
		out["kustomization.yaml"] = fmt.Sprintf("resources: [l%d]\n", level)
		return out
	},
	"names that refer": func(n int) map[string]string {
		pod := "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n    envFrom:\n"
		for i := range n {
			pod += fmt.Sprintf("    - configMapRef: {name: a%d}\n", i)
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-\n", "a.yaml": manyConfigMaps(n) + pod}
	},
	"configured references": func(n int) map[string]string {
		c := "nameReference:\n- kind: Secret\n  fieldSpecs:\n"
		for range n / 25 {
			c += "  - {kind: ConfigMap, path: metadata/name}\n"
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-\nconfigurations: [c.yaml]\n", "c.yaml": c, "a.yaml": manyConfigMaps(n)}
	},
	"variables": func(n int) map[string]string {
		return map[string]string{
			"kustomization.yaml": "resources: [a.yaml]\nvars:\n- {name: V, objref: {apiVersion: v1, kind: Pod, name: a}, fieldref: {fieldpath: metadata.annotations.v}}\n",
			"a.yaml":             "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {v: " + strings.Repeat("x", 10*n) + "}\nspec:\n  containers:\n  - name: a\n    args: ['" + strings.Repeat("$(V)", 2*n) + "']\n",
		}
	},
	"images": func(n int) map[string]string {
		k := "resources: [a.yaml]\nimages:\n"
		for i := range n / 10 {
			k += fmt.Sprintf("- {name: a%d, newTag: b}\n", i)
		}
		return map[string]string{"kustomization.yaml": k, "a.yaml": manyConfigMaps(n)}
	},
	"a long list": func(n int) map[string]string {
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
		for i := range 4 * n {
			pod += fmt.Sprintf("  - {name: c%d}\n", i)
		}
		return map[string]string{
			"kustomization.yaml": "resources: [a.yaml]\npatches: [{patch: '{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c0, image: a}]}}'}]\n", "a.yaml": pod,
		}
	},
	"selectors of labels": func(n int) map[string]string {
		k := "resources: [a.yaml]\npatches: [{patch: '[{\"op\": \"add\", \"path\": \"/x\", \"value\": \"y\"}]', target: {labelSelector: 'a in (b"
		for i := range n {
			k += fmt.Sprintf(",c%d", i)
		}
		return map[string]string{"kustomization.yaml": k + ")'}}]\n", "a.yaml": manyConfigMaps(n)}
	},
	"aliases": func(n int) map[string]string {
		p := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any}\nx: &x {a: b, c: d, e: f, g: h, i: j, k: l}\ny: &y [*x, *x, *x, *x, *x, *x, *x, *x, *x, *x, *x, *x]\ndata:\n"
		for i := range n / 25 {
			p += fmt.Sprintf("  k%d: *y\n", i)
		}
		return map[string]string{"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.yaml, target: {kind: ConfigMap}}]\n", "p.yaml": p, "a.yaml": manyConfigMaps(n)}
	},
}

func manyConfigMaps(n int) string {
	out := strings.Builder{}
	for i := range n {
		fmt.Fprintf(&out, "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a%d}}\n", i)
	}
	return out.String()
}
