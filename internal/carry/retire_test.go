package carry

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/object"
)

func TestWithoutDocument(t *testing.T) {
	const a, b, c = "kind: A\nname: a\n", "kind: B\nname: b\n", "kind: C\n"
	for name, x := range map[string]struct {
		text string
		line int
		want string
	}{
		"the only one":            {a, 1, ""},
		"the only one, separated": {"---\n" + a, 2, ""},
		"with comments":           {"# about\n---\n" + a + "---\n", 3, ""},
		"the first":               {a + "---\n" + b, 2, b},
		"the last":                {a + "---\n" + b, 5, a},
		"in the middle":           {a + "---\n" + b + "---\n" + c, 4, a + "---\n" + c},
		"the first of separated":  {"---\n" + a + "---\n" + b, 2, b},
		"the second, commented":   {a + "--- # b\n" + b, 4, a},
		"the first, commented":    {"--- # a\n" + a + "--- # b\n" + b, 2, "--- # b\n" + b},
		"on the separator's line": {a + "--- {kind: B}\n--- {kind: C}\n", 3, a + "--- {kind: C}\n"},
		"the only one, so":        {"--- # a\n" + a + "...\n", 2, ""},
	} {
		if got := string(WithoutDocument([]byte(x.text), x.line)); got != x.want {
			t.Errorf("%s: got %q, want %q", name, got, x.want)
		}
	}
}

func TestRetire(t *testing.T) {
	o := newOrganisation(t, "fleet")
	const both = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b # the second\n"
	o.up["fleet"].Commit("main", map[string]string{
		"prod/kustomization.yaml": "resources:\n  - both.yaml\n  - ./one.yaml # alone\n", "prod/both.yaml": both, "prod/one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n",
	})
	retire := func(name, file, keep string, line int) (Retirement, error) {
		return Retire(t.Context(), Retiring{
			Fleet: Onto{Repo: o.open("fleet"), Author: bot}, Environment: flow.Environment{Name: "prod", Branch: "main", Directory: "prod"},
			Object: object.Key{Kind: "ConfigMap", Namespace: "x", Name: name}, File: file, Line: line, Keep: keep,
		}, nil, func(Retirement) (string, error) { return "", nil })
	}
	out, err := retire("b", "prod/both.yaml", LocalConfig, 6)
	o.must(err)
	o.shows("fleet", both+"  annotations:\n    config.kubernetes.io/local-config: \"true\"\n", "show", out.Head+":prod/both.yaml")
	o.shows("fleet", "Retire ConfigMap/x/b from prod", "log", "-1", "--format=%s", out.Head)
	out, err = retire("b", "prod/both.yaml", "", 6)
	o.must(err)
	o.shows("fleet", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a", "show", out.Head+":prod/both.yaml")
	out, err = retire("one", "prod/one.yaml", "", 1)
	o.must(err)
	o.shows("fleet", "resources:\n  - both.yaml", "show", out.Head+":prod/kustomization.yaml")
	o.shows("fleet", "prod/both.yaml\nprod/kustomization.yaml", "ls-tree", "-r", "--name-only", out.Head)
	// Each object has a branch of its own, by a name that Git takes.
	branch := func(kind, namespace, name string) string {
		return Retiring{Environment: flow.Environment{Name: "prod"}, Object: object.Key{Kind: kind, Namespace: namespace, Name: name}}.branch()
	}
	if a, b := branch("ConfigMap", "a-b", "c"), branch("ConfigMap", "a", "b-c"); a == b {
		t.Errorf("both are on %s", a)
	}
	if name := branch("ClusterRole", "", "system:web.."); flow.CheckBranch(name) != nil || !strings.HasPrefix(name, "retire/prod+clusterrole-system-web-") {
		t.Errorf("got %s", name)
	}
	// A generated object has no document: the line leads to what makes it.
	for _, keep := range []string{"", LocalConfig} {
		if _, err = retire("made", "prod/kustomization.yaml", keep, 1); err == nil || !strings.Contains(err.Error(), "prod/kustomization.yaml:1 is not its manifest") {
			t.Errorf("got %v", err)
		}
	}
	if _, err = retire("c", "prod/both.yaml", LocalConfig, 1); err == nil {
		t.Error("retired what is not there")
	}
}

// Documents of one file that are called alike are told apart by where they stand.
func TestRetireAmongNamesakes(t *testing.T) {
	o := newOrganisation(t, "fleet")
	documents := []string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: y}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: x}\n",
		"apiVersion: example.com/v1\nkind: ConfigMap\nmetadata: {name: a, namespace: y}\n",
	}
	o.up["fleet"].Commit("main", map[string]string{"prod/kustomization.yaml": "resources: [all.yaml]\n", "prod/all.yaml": strings.Join(documents, "---\n")})
	keys := []object.Key{
		{Kind: "ConfigMap", Namespace: "x", Name: "a"}, {Kind: "ConfigMap", Namespace: "y", Name: "a"},
		{Kind: "Secret", Namespace: "x", Name: "a"}, {Group: "example.com", Kind: "ConfigMap", Namespace: "y", Name: "a"},
	}
	in := Retiring{Fleet: Onto{Repo: o.open("fleet"), Author: bot}, Environment: flow.Environment{Name: "prod", Branch: "main", Directory: "prod"}, File: "prod/all.yaml", DryRun: true}
	says := func(Retirement) (string, error) { return "", nil }
	for i, key := range keys {
		in.Object, in.Line = key, 1+4*i
		out, err := Retire(t.Context(), in, nil, says)
		o.must(err)
		text, err := out.Files["prod/all.yaml"].Read()
		o.must(err)
		rest := append(append([]string{}, documents[:i]...), documents[i+1:]...)
		if want := strings.Join(rest, "---\n"); string(text) != want {
			t.Errorf("without %s: got\n%s\nwant\n%s", key, text, want)
		}
	}
	// A line of another kind, or of another group, is not its manifest.
	for _, line := range []int{9, 13} {
		in.Object, in.Line = keys[0], line
		if _, err := Retire(t.Context(), in, nil, says); err == nil || !strings.Contains(err.Error(), "is not its manifest") {
			t.Errorf("at %d: got %v", line, err)
		}
	}
}
