package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// bystander is a unit of the same repository that must not suffer.
func (s *stand) bystander() {
	s.Helper()
	s.save(files{"by/b.yaml": configMap("by", "1")})
	s.apply(kustomization("by", "path: ./by"))
}

func TestHostileRepository(t *testing.T) {
	for name, c := range map[string]struct {
		files files
		link  map[string]string
		want  string // in the message
	}{
		"a resource outside":         {files{"app/kustomization.yaml": "resources: [../../../../etc]\n"}, nil, "etc"},
		"an absolute resource":       {files{"app/kustomization.yaml": "resources: [/etc/passwd]\n"}, nil, "passwd"},
		"a generator's file outside": {files{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [../../../../../../etc/passwd]}]\n"}, nil, "passwd"},
		"a loop":                     {files{"app/kustomization.yaml": "resources: [../two]\n", "two/kustomization.yaml": "resources: [../app]\n"}, nil, "cycle"},
		"a link outside":             {files{"app/kustomization.yaml": "resources: [link.yaml]\n"}, map[string]string{"app/link.yaml": "/etc/passwd"}, "link.yaml"},
		"no YAML":                    {files{"app/a.yaml": "a: [b\nc: }\n"}, nil, "app/a.yaml"},
		"no object":                  {files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": "just: words\n"}, nil, "a.yaml"},
		"a YAML bomb":                {files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": bomb()}, nil, "a.yaml"},
		"deep nesting":               {files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": "a: " + strings.Repeat("[", 20000) + "\n"}, nil, "a.yaml"},
		"a path that is not there":   {files{"x/a.yaml": "x"}, nil, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.save(c.files)
			for at, to := range c.link {
				s.must(os.Symlink(to, filepath.Join(s.dir, at)))
			}
			s.bystander()
			s.apply(source, kustomization("app", "path: ./app"))
			s.fails("app", "BuildFailed", c.want)
			s.ready("by")
			s.commit(files{"by/b.yaml": configMap("by", "2")})
			s.ready("by")
		})
	}
}

// bomb is a ConfigMap whose aliases would grow to 10^9 words.
func bomb() string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
	for i := range 9 {
		text += fmt.Sprintf("x%d: &x%d [%s*x%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*x%d, ", i), 9), i)
	}
	return text
}

// A path above the repository's top stays at the top, as in Flux.
func TestPathAboveTheRepository(t *testing.T) {
	s := up(t)
	s.save(files{"kustomization.yaml": "resources: [app/a.yaml]\n", "app/a.yaml": configMap("a", "1")})
	s.bystander()
	s.apply(source, kustomization("app", "path: ../.."))
	s.ready("app")
	s.data("ConfigMap/a", "1")
	s.ready("by")
}

func TestHugeFileStopsOnlyWhoReadsIt(t *testing.T) {
	s := up(t)
	s.save(files{"app/kustomization.yaml": "configMapGenerator: [{name: a, files: [huge.bin]}]\n"})
	f, err := os.Create(filepath.Join(s.dir, "app", "huge.bin"))
	s.must(err)
	s.must(f.Truncate(1 << 30)) // sparse: it takes no space
	s.must(f.Close())
	s.bystander()
	s.apply(source, kustomization("app", "path: ./app"))
	o := s.await("GitRepository/fleet", func(o *unstructured.Unstructured) bool {
		return o != nil && strings.Contains(field(o, "status", "conditions"), "huge.bin")
	})
	if !strings.Contains(field(o, "status", "conditions"), "spec.ignore") {
		t.Errorf("the message does not say what to do: %s", field(o, "status", "conditions"))
	}
	s.patch("GitRepository/fleet", `{spec: {ignore: "/app/huge.bin"}}`)
	s.ready("by")
	s.fails("app", "BuildFailed", "huge.bin")
}

// Old versions do not check durations: what they let through hurts nobody else.
func TestDurationsThatCannotBeRead(t *testing.T) {
	for _, interval := range []string{"1d", "soon", "-1h", "9999999999h", "1ns"} {
		t.Run(interval, func(t *testing.T) {
			s := up(t)
			s.save(files{"app/a.yaml": configMap("a", "1")})
			s.bystander()
			s.apply(source)
			obj := s.decode(kustomization("app", "path: ./app", "interval: "+fmt.Sprintf("%q", interval)))[0]
			obj.SetAPIVersion("kustomize.toolkit.fluxcd.io/v1beta1")
			old := schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1beta1", Resource: "kustomizations"}
			_, err := s.dyn.Resource(old).Namespace(s.ns).Create(context.Background(), obj, metav1.CreateOptions{FieldManager: "person"})
			s.must(err)
			s.ready("by")
			if interval == "-1h" || interval == "1ns" { // they can be read; short ones are raised
				s.ready("app")
			} else {
				s.fails("app", "InvalidSpec", "spec.interval", interval)
			}
			s.commit(files{"by/b.yaml": configMap("by", "2")})
			s.ready("by")
			s.delete("Kustomization/app")
			s.gone("Kustomization/app")
		})
	}
}
