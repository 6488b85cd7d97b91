package build

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

const plainUnit = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a, namespace: x}\nspec: {path: ./a, on: yes, n: 010, f: 1.0}\n"

// What is read without kustomize is what kustomize makes of it, and what kustomize
// refuses is refused with the same words and after the same reads.
func TestListedAsKustomize(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		read  bool // without kustomize
	}{
		"one":             {map[string]string{"a.yaml": plainUnit}, true},
		"several":         {map[string]string{"a.yaml": "---\n" + plainUnit + "---\n" + strings.ReplaceAll(plainUnit, "name: a", "name: b") + "--- # end\n", "sub/b.yml": strings.ReplaceAll(plainUnit, "name: a", "name: c")}, true},
		"windows":         {map[string]string{"a.yaml": strings.ReplaceAll(plainUnit, "\n", "\r\n")}, true},
		"annotations":     {map[string]string{"a.yaml": strings.Replace(plainUnit, "name: a,", "name: a, annotations: {n: 1, t: true, z: 'a', empty: },", 1)}, true},
		"no annotations":  {map[string]string{"a.yaml": strings.Replace(plainUnit, "name: a,", "name: a, annotations: {}, labels: {},", 1)}, true},
		"anchors":         {map[string]string{"a.yaml": plainUnit + "data: &d {a: 1}\nmore: *d\n"}, true},
		"comments":        {map[string]string{"a.yaml": "# head\n" + plainUnit + "# foot\nstatus: {} # {\"$imagepolicy\": \"a\"}\n"}, true},
		"a list":          {map[string]string{"a.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"}, true},
		"a typed list":    {map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMapList\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n" + plainUnit}, true},
		"listed":          {map[string]string{"kustomization.yaml": "resources: [b.yaml, ./a.yaml]\n", "a.yaml": plainUnit, "b.yaml": strings.ReplaceAll(plainUnit, "name: a", "name: b"), "c.yaml": "x"}, true},
		"empty between":   {map[string]string{"a.yaml": plainUnit, "b.yaml": "# nothing\n"}, true},
		"a directory":     {map[string]string{"kustomization.yaml": "resources: [b]\n", "b/kustomization.yaml": "resources: [a.yaml]\n", "b/a.yaml": plainUnit}, false},
		"a prefix":        {map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: x-\n", "a.yaml": plainUnit}, false},
		"a referrer":      {map[string]string{"a.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nimagePullSecrets: [{name: b}]\n"}, false},
		"broken referrer": {map[string]string{"a.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nsubjects: [{kind: ServiceAccount}]\n"}, false},
		"twice":           {map[string]string{"a.yaml": plainUnit, "b.yaml": plainUnit}, false},
		"twice as one":    {map[string]string{"a.yaml": plainUnit + "---\n" + strings.Replace(plainUnit, "{path: ./a,", "{path: ./b,", 1)}, false},
		"default space":   {map[string]string{"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n"}, false},
		"no namespaces":   {map[string]string{"a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n"}, false},
		"local":           {map[string]string{"a.yaml": plainUnit, "b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {config.kubernetes.io/local-config: 'true'}}\n"}, false},
		"marked":          {map[string]string{"a.yaml": strings.Replace(plainUnit, "name: a,", "name: a, annotations: {internal.config.kubernetes.io/previousNames: b, z: 1},", 1)}, false},
		"not there":       {map[string]string{"kustomization.yaml": "resources: [b.yaml]\n"}, false},
		"broken":          {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "a: [\n"}, false},
		"no name":         {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "apiVersion: v1\nkind: ConfigMap\n"}, false},
		"null in a list":  {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": plainUnit + "list: [1, null]\n"}, true},
		"two of them":     {map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "Kustomization": "resources: [a.yaml]\n", "a.yaml": plainUnit}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tr, err := tree.FromFiles(c.files)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range []Recipe{{Path: "."}, {Path: ".", Substitute: map[string]string{"a": "b"}}} {
				rec := &record.Recorder{}
				p := newPort(context.Background(), tr, rec)
				docs, err := p.build(context.Background(), r, Options{})
				if read := p.listing && p.fault == nil && asRead(p); read != c.read {
					t.Errorf("read without kustomize: got %v, want %v", read, c.read)
				}
				want, wantErr := flux(copyTree(t, tr), r)
				if (err == nil) != (wantErr == nil) {
					t.Fatalf("got error %v, want %v", err, wantErr)
				}
				if diff := cmp.Diff(want, string(joined(docs))); diff != "" {
					t.Errorf("not Flux's bytes (-Flux +ours):\n%s", diff)
				}
				long := &record.Recorder{}
				q := newPort(context.Background(), tr, long)
				q.origins = map[int]Origin{} // kustomize has to look
				_, longErr := q.build(context.Background(), r, Options{})
				if fmt.Sprint(err) != fmt.Sprint(longErr) {
					t.Errorf("got error %v, want kustomize's %v", err, longErr)
				}
				if diff := cmp.Diff(fmt.Sprint(long.Set()), fmt.Sprint(rec.Set())); diff != "" {
					t.Errorf("other reads than kustomize's (-kustomize +ours):\n%s", diff)
				}
			}
		})
	}
}

func asRead(p *port) bool {
	p.forgetReads()
	_, ok := p.asListed(sourceRoot)
	return ok
}

// A variable in a name can make two of one, whoever read them.
func TestVariablesCollide(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n"
	for name, files := range map[string]map[string]string{
		"with one that stays":    {"a.yaml": fmt.Sprintf(text, "x"), "b.yaml": fmt.Sprintf(text, "${a}")},
		"with one that changed":  {"a.yaml": fmt.Sprintf(text, "${a}"), "b.yaml": fmt.Sprintf(text, "${b}")},
		"with one that will not": {"a.yaml": fmt.Sprintf(text, "${a}"), "b.yaml": fmt.Sprintf(text, "x-${a}")},
		"in two namespaces":      {"a.yaml": fmt.Sprintf(text, "${a}"), "b.yaml": fmt.Sprintf(text, "x\n  namespace: ${b}")},
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := tree.FromFiles(files)
			if err != nil {
				t.Fatal(err)
			}
			r := Recipe{Path: ".", Substitute: map[string]string{"a": "x", "b": "x"}}
			got, err := ours(tr, r, Options{})
			want, wantErr := flux(copyTree(t, tr), r)
			if (err == nil) != (wantErr == nil) || err != nil && !strings.Contains(err.Error(), "in Replace: id matched 2 resources") {
				t.Fatalf("got error %v, want %v", err, wantErr)
			}
			if got != want && err == nil {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
