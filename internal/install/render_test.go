package install

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var update = flag.Bool("update", false, "write the golden files anew")

// variants are the golden renders. Definitions stand in them without schemas,
// which have tests and files of their own.
var variants = []struct {
	name    string
	options Options
}{
	{"leat", Options{Version: "v1.2.3"}},
	{"flux", Options{Version: "v1.2.3", Layout: LikeFlux}},
	{"access", Options{Version: "v1.2.3", Access: true, Components: []string{KustomizeController}, ActAsControllers: true}},
	{"options", Options{
		Version: "v1.2.3", Namespace: "gitops", Components: []string{KustomizeController, SourceController},
		Registry: "registry.example.com/mirror", ImagePullSecret: "pull", OwnNamespaceOnly: true, NoNetworkPolicy: true,
		TolerationKeys: []string{"dedicated"}, ClusterDomain: "example.internal", LogLevel: "debug", ActAsControllers: true,
		NoCrossNamespaceRefs: true, NoRemoteBases: true, DefaultServiceAccount: "default",
	}},
}

func TestRender(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			var got bytes.Buffer
			if err := Write(&got, shortened(render(t, v.options))); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", v.name+".yaml")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := firstDifference(got.String(), string(want)); diff != "" {
				t.Errorf("%s (run with -update and look at the diff): %s", path, diff)
			}
		})
	}
}

func render(t *testing.T, o Options) []*unstructured.Unstructured {
	t.Helper()
	objs, err := Render(o)
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

// shortened leaves the schemas of definitions out, keeping which versions are served.
func shortened(objs []*unstructured.Unstructured) []*unstructured.Unstructured {
	out := make([]*unstructured.Unstructured, len(objs))
	for i, obj := range objs {
		out[i] = obj.DeepCopy()
		if obj.GetKind() != definitionKind.Kind {
			continue
		}
		all, _ := versions(obj)
		var served []any
		for _, v := range all {
			name := v["name"].(string)
			if v["storage"] == true {
				name += " (stored)"
			}
			served = append(served, name)
		}
		out[i].Object["spec"] = map[string]any{"versions": served}
	}
	return out
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := line(g, i), line(w, i)
		if a != b {
			return "line " + strings.TrimSpace(a) + ", want " + strings.TrimSpace(b)
		}
	}
	return ""
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

func TestEqualOptionsRenderEqualBytes(t *testing.T) {
	var first, second bytes.Buffer
	components := slices.Clone(ComponentNames())
	slices.Reverse(components)
	for out, o := range map[*bytes.Buffer]Options{&first: {}, &second: {Components: components}} {
		if err := Write(out, render(t, o)); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("the order of components changes the render")
	}
}

func TestEveryObjectIsLabelled(t *testing.T) {
	for _, v := range variants {
		for _, obj := range render(t, v.options) {
			l, o := obj.GetLabels(), v.options.withDefaults()
			got := []string{l[LabelPartOf], l[LabelInstance], l[LabelVersion], l[LabelManagedBy]}
			want := []string{PartOf, o.Namespace, "v1.2.3", ManagedBy}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s %s: labels: got %v, want %v", v.name, obj.GetKind(), obj.GetName(), got, want)
			}
		}
	}
}

func TestObjectsAreOrderedForCreation(t *testing.T) {
	for _, v := range variants {
		seen := map[string]bool{}
		for _, obj := range render(t, v.options) {
			if ns := obj.GetNamespace(); ns != "" && !seen["Namespace/"+ns] {
				t.Errorf("%s: %s %s comes before its namespace", v.name, obj.GetKind(), obj.GetName())
			}
			if obj.GetKind() == deploymentKind.Kind {
				account, _, _ := unstructured.NestedString(obj.Object, "spec", "template", "spec", "serviceAccountName")
				if !seen["ServiceAccount/"+account] {
					t.Errorf("%s: Deployment %s comes before its ServiceAccount %s", v.name, obj.GetName(), account)
				}
			}
			seen[obj.GetKind()+"/"+obj.GetName()] = true
		}
	}
}

// A Service whose port nobody opens must lead nowhere, and one whose port is
// open must lead there.
func TestServicesLeadToDeclaredPorts(t *testing.T) {
	closed := []string{NotificationController, "webhook-receiver"}
	for _, v := range variants {
		ports := map[string][]string{} // app → names of ports
		objs := render(t, v.options)
		for _, obj := range objs {
			if obj.GetKind() == deploymentKind.Kind {
				ports[obj.GetName()] = portNames(obj)
			}
		}
		for _, obj := range objs {
			if obj.GetKind() != "Service" {
				continue
			}
			app, _, _ := unstructured.NestedString(obj.Object, "spec", "selector", "app")
			list, _, _ := unstructured.NestedSlice(obj.Object, "spec", "ports")
			target := list[0].(map[string]any)["targetPort"].(string)
			got, want := slices.Contains(ports[app], target), !slices.Contains(closed, obj.GetName())
			if got != want {
				t.Errorf("%s: Service %s: port %s of %s is declared: got %t, want %t", v.name, obj.GetName(), target, app, got, want)
			}
		}
	}
}

func portNames(deployment *unstructured.Unstructured) []string {
	containers, _, _ := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	list, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "ports")
	var out []string
	for _, p := range list {
		out = append(out, p.(map[string]any)["name"].(string))
	}
	return out
}

func TestWrongOptions(t *testing.T) {
	cases := []struct {
		options Options
		want    string
	}{
		{Options{Layout: "many"}, `deployments "many": want leat or flux`},
		{Options{Components: []string{"source"}}, `component "source": want some of [source-controller`},
		{Options{LogLevel: "loud"}, `log level "loud": want debug, info or error`},
		{Options{Namespace: "Flux"}, `namespace "Flux": `},
		{Options{Version: "a b"}, `version "a b": `},
		{Options{ClusterDomain: "x/y"}, `cluster domain "x/y": `},
		{Options{ImagePullSecret: "?"}, `image pull secret "?": `},
		{Options{Layout: LikeFlux, Components: []string{SourceController}, Access: true}, `access: kustomize-controller grants it`},
	}
	for _, c := range cases {
		_, err := Render(c.options)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got %v, want %s…", err, c.want)
		}
	}
}
