package fluxcli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/serve"
)

// serveWorld serves a world on loopback until the test ends, and writes a kubeconfig
// with three contexts for it: here, its namespace apps, and one that leads nowhere.
func serveWorld(t *testing.T, w world.World) (kubeconfig string) {
	t.Helper()
	api := serve.New(w, "v1.36.4")
	s := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		answer, err := api.RoundTrip(r)
		if err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
			return
		}
		defer answer.Body.Close()
		for key, values := range answer.Header {
			out.Header()[key] = values
		}
		out.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(out, answer.Body) // a client that went away
	}))
	t.Cleanup(s.Close)
	kubeconfig = filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- {name: here, cluster: {server: %q}}
- {name: nowhere, cluster: {server: "http://127.0.0.1:1"}}
users: [{name: me}]
contexts:
- {name: here, context: {cluster: here, user: me}}
- {name: here-apps, context: {cluster: here, user: me, namespace: apps}}
- {name: nowhere, context: {cluster: nowhere, user: me}}
current-context: here
`, s.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// populated is a world with three objects of every kind of Flux: one-KIND and
// two-KIND in flux-system, and elsewhere-KIND in apps.
func populated(t *testing.T) world.World {
	t.Helper()
	w := memory.New(memory.Options{})
	create := func(u *unstructured.Unstructured) {
		if _, err := w.Create(t.Context(), u, "test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range crd.All() {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
		if err != nil {
			t.Fatal(err)
		}
		delete(object, "status")
		u := &unstructured.Unstructured{Object: object}
		u.SetAPIVersion("apiextensions.k8s.io/v1")
		u.SetKind("CustomResourceDefinition")
		create(u)
	}
	named := func(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		u.SetAPIVersion(apiVersion)
		u.SetKind(kind)
		u.SetNamespace(namespace)
		u.SetName(name)
		return u
	}
	for _, namespace := range []string{"flux-system", "apps"} {
		create(named("v1", "Namespace", "", namespace))
	}
	for _, k := range flux.Kinds {
		create(named(k.GroupVersion().String(), k.Kind, "flux-system", "one-"+strings.ToLower(k.Kind)))
		create(named(k.GroupVersion().String(), k.Kind, "flux-system", "two-"+strings.ToLower(k.Kind)))
		create(named(k.GroupVersion().String(), k.Kind, "apps", "elsewhere-"+strings.ToLower(k.Kind)))
	}
	return w
}

// completed is what the tab key offers after words.
func completed(t *testing.T, words ...string) (offers []string, directive string) {
	t.Helper()
	var out bytes.Buffer
	Main(context.Background(), append([]string{"__complete"}, words...), Env{In: strings.NewReader(""), Out: &out, Err: io.Discard})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines[:len(lines)-1] {
		name, _, _ := strings.Cut(line, "\t")
		offers = append(offers, name)
	}
	return offers, lines[len(lines)-1]
}

// noFiles is the directive that keeps names of files out (cobra, ShellCompDirective).
const noFiles = ":4"

// Every verb completes the names of the live objects of its kind, in the namespace
// that the line says, those that begin as what was typed, and each once.
func TestCompletionOfNames(t *testing.T) {
	t.Setenv("KUBECONFIG", serveWorld(t, populated(t)))
	type node struct {
		words []string
		kind  string
	}
	var nodes []node
	below := func(verb string, n flux.Noun, kind string) {
		words := []string{verb}
		if n.Group != "" {
			words = append(words, n.Group)
		}
		for _, name := range append([]string{n.Name}, n.Aliases...) {
			nodes = append(nodes, node{append(slices.Clip(words), name), kind})
		}
	}
	for _, k := range flux.Kinds {
		below("get", k.Nouns, k.Kind)
		for _, v := range []flux.Verb{flux.Reconcile, flux.Suspend, flux.Resume, flux.Delete, flux.Export} {
			if k.Has(v) {
				below(string(v), k.Noun, k.Kind)
			}
		}
	}
	for _, line := range []string{"tree ks", "debug ks", "build ks", "diff ks"} {
		nodes = append(nodes, node{strings.Fields(line), "Kustomization"})
	}
	nodes = append(nodes, node{[]string{"debug", "hr"}, "HelmRelease"}, node{[]string{"tree", "artifact", "generator"}, "ArtifactGenerator"})
	for _, n := range nodes {
		kind := strings.ToLower(n.kind)
		for begun, want := range map[string][]string{"": {"one-" + kind, "two-" + kind}, "tw": {"two-" + kind}, "nothing": nil} {
			got, directive := completed(t, append(slices.Clip(n.words), begun)...)
			if !slices.Equal(got, want) || directive != noFiles {
				t.Errorf("%v %q: %v %s, want %v", n.words, begun, got, directive, want)
			}
		}
	}
	ks := []string{"one-kustomization"}
	for line, want := range map[string][]string{
		"-n apps suspend ks ":                                       {"elsewhere-kustomization"},
		"suspend ks --namespace=apps ":                              {"elsewhere-kustomization"},
		"--context here-apps suspend ks o":                          ks,
		"--ns-follows-kube-context --context here-apps suspend ks ": {"elsewhere-kustomization"},
		"suspend ks two-kustomization ":                             ks,
		"suspend ks one-kustomization two-kustomization ":           nil,
	} {
		words := strings.Split(line, " ")
		if got, directive := completed(t, words...); !slices.Equal(got, want) || directive != noFiles {
			t.Errorf("%q: %v %s, want %v", line, got, directive, want)
		}
	}
}

// Namespaces and contexts are completed for every verb; so are words of closed lists.
func TestCompletionOfFlags(t *testing.T) {
	t.Setenv("KUBECONFIG", serveWorld(t, populated(t)))
	for _, verb := range verbNames(New(Env{})) {
		if verb == "help" || verb == "completion" {
			continue
		}
		if got, _ := completed(t, verb, "--namespace", "a"); !slices.Equal(got, []string{"apps"}) {
			t.Errorf("%s --namespace: %v", verb, got)
		}
		if got, _ := completed(t, verb, "--context", "here"); !slices.Equal(got, []string{"here", "here-apps"}) {
			t.Errorf("%s --context: %v", verb, got)
		}
	}
	for line, want := range map[string][]string{
		"events --for Kustomization/t": {"Kustomization/two-kustomization"},
		"events --for Helm":            {"HelmChart/", "HelmRelease/", "HelmRepository/"},
		"logs --kind Kust":             {"Kustomization"},
		"events --types W":             {"Warning"},
		"logs --level ":                {"debug", "error", "info"},
	} {
		if got, _ := completed(t, strings.Split(line, " ")...); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}

// A cluster that is out of reach offers nothing, and no names of files.
func TestCompletionOutOfReach(t *testing.T) {
	t.Setenv("KUBECONFIG", serveWorld(t, populated(t)))
	if got, directive := completed(t, "--context", "nowhere", "suspend", "ks", ""); len(got) > 0 || directive != ":1" {
		t.Errorf("%v %s", got, directive)
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	if got, directive := completed(t, "get", "ks", ""); len(got) > 0 || directive != ":1" {
		t.Errorf("%v %s", got, directive)
	}
}
