package crd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/crd"
)

// The objects in testdata/examples have every field that their version had in
// upstream's schema. They are made by the generator.
func examples(t *testing.T) map[string]object {
	t.Helper()
	files, err := filepath.Glob("testdata/examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	all := map[string]object{}
	for _, file := range files {
		all[filepath.Base(file)] = readObject(t, file)
	}
	return all
}

func readObject(t *testing.T, file string) object {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseObject(t, string(b))
}

// parseObject reads YAML the way the API server does, with integers as int64.
func parseObject(t *testing.T, text string) object {
	t.Helper()
	o, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOldObjectsSurvive writes each example through its version, reads it as
// the newest and again through its version. No field may be lost.
func TestOldObjectsSurvive(t *testing.T) {
	for name, o := range examples(t) {
		t.Run(name, func(t *testing.T) {
			written, faults := serverFor(t, o).write(o, nil)
			if len(faults) > 0 {
				t.Fatalf("refused: %s", strings.Join(faults, "\n"))
			}
			lost(t, "written", o, written)
			stored := serverFor(t, newest(o)).read(newest(written))
			lost(t, "stored", as(written, crdVersion(newest(o))), stored)
			read := serverFor(t, o).read(as(stored, crdVersion(o)))
			lost(t, "read", o, read)
		})
	}
}

// TestEngineMayWriteStatus stores each example as the newest version and
// writes finalizers and status there, as controllers do.
func TestEngineMayWriteStatus(t *testing.T) {
	for name, o := range examples(t) {
		t.Run(name, func(t *testing.T) {
			stored, _ := serverFor(t, o).write(o, nil)
			stored = serverFor(t, newest(o)).read(newest(stored))
			changed := newest(stored)
			changed["metadata"].(object)["finalizers"] = []any{"finalizers.fluxcd.io"}
			changed["status"] = object{"conditions": []any{object{
				"type": "Ready", "status": "True", "reason": "Succeeded", "message": "",
				"lastTransitionTime": "2024-02-29T12:00:00Z",
			}}}
			if _, faults := serverFor(t, changed).write(changed, stored); len(faults) > 0 {
				t.Errorf("refused: %s", strings.Join(faults, "\n"))
			}
		})
	}
}

// lost reports fields of before that are absent from after, or differ.
func lost(t *testing.T, step string, before, after object) {
	t.Helper()
	keep := within(before, after)
	if diff := cmp.Diff(keep, any(before)); diff != "" {
		t.Errorf("%s (-kept +before):\n%s", step, diff)
	}
}

// within returns after reduced to the fields that before has.
func within(before, after any) any {
	switch b := before.(type) {
	case object:
		a, ok := after.(object)
		if !ok {
			return after
		}
		kept := object{}
		for name := range b {
			if v, ok := a[name]; ok {
				kept[name] = within(b[name], v)
			}
		}
		return kept
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			return after
		}
		kept := []any{}
		for i := range b {
			kept = append(kept, within(b[i], a[i]))
		}
		return kept
	}
	return after
}

func crdVersion(o object) string {
	_, version, _ := strings.Cut(o["apiVersion"].(string), "/")
	return version
}

// TestRules writes objects that all versions of a kind do not judge alike.
// Each is a new object unless old is given, which is what was stored before.
func TestRules(t *testing.T) {
	git := "kind: GitRepository\nspec: {url: 'https://example.com', interval: %s}\n"
	for _, c := range []struct {
		name, object, old, want string
	}{
		{"new version wants a duration", ks("v1", "soon", "GitRepository"), "", "interval"},
		{"v1beta1 never did", ks("v1beta1", "soon", "GitRepository"), "", ""},
		{"so v1 can change such an object", ks("v1", "soon", "Bucket"), ks("v1", "soon", "GitRepository"), ""},
		{"but not give a good one a bad value", ks("v1", "soon", "Bucket"), ks("v1", "5m", "Bucket"), "interval"},
		{"all versions know the kinds of sources", ks("v1beta1", "5m", "Chart"), "", "sourceRef.kind"},
		{"v1beta1 knew no OCIRepository", ks("v1beta1", "5m", "OCIRepository"), "", "sourceRef.kind"},
		{"but lets one be that is there", ks("v1beta1", "6m", "OCIRepository"), ks("v1beta1", "5m", "OCIRepository"), ""},
		{"required by all", "apiVersion: source.toolkit.fluxcd.io/v1\n" + strings.Replace(git, "%s", "''", 1), "", "interval"},
		{"HelmRelease v2beta1 needs a chart", hr("v2beta1", "{}"), "", "chart"},
		{"v2 takes a chartRef", hr("v2", "{chartRef: {kind: HelmChart, name: a}}"), "", ""},
		{"or wants a chart", hr("v2", "{}"), "", "exactly one"},
		{"v2beta1 may edit what v2 wrote", hr("v2beta1", "{chartRef: {kind: HelmChart, name: a}, suspend: true}"),
			hr("v2beta1", "{chartRef: {kind: HelmChart, name: a}}"), ""},
		{"no forced push", iua("+main"), "", "must not begin"},
		{"a plain push", iua("main"), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := parseObject(t, c.object)
			var old object
			if c.old != "" {
				old = serverFor(t, o).read(parseObject(t, c.old))
			}
			_, faults := serverFor(t, o).write(o, old)
			got := strings.Join(faults, "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func ks(version, interval, source string) string {
	return "apiVersion: kustomize.toolkit.fluxcd.io/" + version + "\nkind: Kustomization\nspec: " +
		"{interval: " + interval + ", prune: true, sourceRef: {kind: " + source + ", name: a}}\n"
}

func hr(version, spec string) string {
	spec = strings.Replace(strings.Replace(spec, "{", "{interval: 5m, ", 1), ", }", "}", 1)
	return "apiVersion: helm.toolkit.fluxcd.io/" + version + "\nkind: HelmRelease\nspec: " + spec + "\n"
}

func iua(refspec string) string {
	return "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\nspec: {interval: 5m, " +
		"sourceRef: {kind: GitRepository, name: a}, git: {commit: {author: {email: a@b}}, push: {refspec: '" + refspec + "'}}}\n"
}

// TestDefaultStatus creates the smallest object of each kind and looks at the
// status that nobody has written yet.
func TestDefaultStatus(t *testing.T) {
	without := map[string]bool{"ArtifactGenerator": true, "ExternalArtifact": true, "Alert": true, "Provider": true}
	for _, c := range crd.All() {
		kind := c.Spec.Names.Kind
		o := object{"apiVersion": c.Spec.Group + "/" + c.Spec.Versions[0].Name, "kind": kind}
		got := serverFor(t, o).read(o)["status"]
		var want any = object{"observedGeneration": int64(-1)}
		if without[kind] {
			want = nil
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("status of a new %s (-got +want):\n%s", kind, diff)
		}
	}
}

func decode(text string) (object, error) {
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	return decodeJSON(j)
}
