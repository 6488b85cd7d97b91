package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/faulttest"
)

const generator = `
apiVersion: source.extensions.fluxcd.io/v1beta1
kind: ArtifactGenerator
metadata: {name: split, namespace: $ns}
spec:
  sources: [{alias: repo, kind: GitRepository, name: fleet}]
  artifacts:
  - {name: cut, copy: [{from: "@repo/cut/**", to: "@artifact/"}]}
`

const generatorName = "source.extensions.fluxcd.io/ArtifactGenerator/split"

// A process that ends at any of its writes, before it is made or before its
// answer is heard, leaves nothing behind that the next one does not put right.
func TestCrashAtEveryWrite(t *testing.T) {
	long(t)
	base := faulttest.CrashAt(0, faulttest.Before)
	want := ""
	t.Run("none", func(t *testing.T) { want = crashing(t, base) })
	writes := base.Writes()
	t.Logf("%d writes:\n%s", len(writes), strings.Join(writes, "\n"))
	for n := 1; n <= len(writes); n++ {
		for _, moment := range []faulttest.Moment{faulttest.Before, faulttest.After} {
			t.Run(fmt.Sprintf("%s write %d", moment, n), func(t *testing.T) {
				t.Parallel()
				if got := crashing(t, faulttest.CrashAt(n, moment)); got != want {
					t.Errorf("got:\n%s\nwant, as without the crash:\n%s", got, want)
				}
			})
		}
	}
}

// crashing lives through the scenario with a crash in it and returns what is
// there in the end.
func crashing(t *testing.T, c *faulttest.Crash) string {
	s := newStand(t)
	plain := s.cfg.REST
	s.cfg.REST = rest.CopyConfig(plain)
	s.cfg.REST.Wrap(c.Wrap)
	theirs := s.bystanders()
	s.save(generation(1))
	s.save(files{"cut/c.yaml": configMap("cut", "1"), "going/g.yaml": configMap("going", "1")})
	s.start()
	over, restarted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(restarted)
		select {
		case <-over:
		case <-c.Done():
			s.stop()
			s.cfg.REST = plain
			s.start()
		}
	}()
	t.Cleanup(func() {
		s.stop()
		s.abandon()
	})
	s.scenario()
	close(over)
	<-restarted
	s.settled()
	s.untouched(theirs)
	return s.picture()
}

// scenario is a life: everything is made, changed, moved, pruned, deleted.
func (s *stand) scenario() {
	s.Helper()
	s.apply(source, generator,
		kustomization("app", "path: ./app", "wait: true"), kustomization("two", "path: ./two", "dependsOn: [{name: app}]"),
		kustomization("going", "path: ./going"),
		strings.Replace(kustomization("cut", "path: ./"), "{kind: GitRepository, name: fleet}", "{kind: ExternalArtifact, name: cut}", 1))
	s.honest(1)
	s.data("ConfigMap/cut", "1")
	s.data("ConfigMap/going", "1")
	s.save(generation(2))
	s.save(files{"cut/c.yaml": configMap("cut", "2")})
	s.patch("GitRepository/fleet", `{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: two}}}`)
	s.honest(2)
	s.data("ConfigMap/cut", "2")
	s.delete("Kustomization/going")
	s.gone("Kustomization/going")
	s.gone("ConfigMap/going")
	s.delete("Kustomization/cut")
	s.gone("Kustomization/cut")
	s.delete(generatorName)
	s.gone(generatorName)
	s.gone("source.toolkit.fluxcd.io/ExternalArtifact/cut")
}

// picture is what is there, without what differs between two lives: times,
// uids, versions, revisions.
func (s *stand) picture() string {
	s.Helper()
	var out strings.Builder
	for _, gk := range []schema.GroupKind{{Kind: "ConfigMap"}, s.key("Kustomization/x").GroupKind(), s.key("GitRepository/x").GroupKind()} {
		list, err := s.client(gk, s.ns).List(context.Background(), metav1.ListOptions{})
		s.must(err)
		for _, obj := range list.Items {
			if obj.GetName() == "kube-root-ca.crt" {
				continue
			}
			kept := map[string]any{"kind": gk.Kind, "name": obj.GetName(), "labels": obj.GetLabels(), "data": obj.Object["data"]}
			for _, e := range obj.GetManagedFields() {
				kept["manager "+e.Manager+" "+string(e.Operation)] = string(e.FieldsV1.Raw)
			}
			if gk.Kind != "ConfigMap" {
				for _, name := range []string{"inventory", "observedGeneration", "lastAppliedRevision", "lastAttemptedRevision"} {
					kept["status."+name] = field(&obj, "status", name)
				}
				kept["ready"] = isReady(&obj)
				kept["finalizers"] = obj.GetFinalizers()
				kept = without(kept, "manager ")
			}
			text, err := yaml.Marshal(kept)
			s.must(err)
			out.Write(text)
			out.WriteString("---\n")
		}
	}
	out.WriteString("stored: " + strings.Join(s.stored(), " ") + "\n")
	return strings.NewReplacer(s.revision(), "$revision", s.ns, "$ns").Replace(out.String())
}

func without(m map[string]any, prefix string) map[string]any {
	out := map[string]any{}
	for key, v := range m {
		if !strings.HasPrefix(key, prefix) {
			out[key] = v
		}
	}
	return out
}

// stored lists the directories of the artifact store that hold anything, and
// whatever is half written.
func (s *stand) stored() []string {
	s.Helper()
	root := filepath.Join(s.cfg.DataDir, "artifacts")
	var out []string
	s.must(filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if at := filepath.Dir(rel); !slices.Contains(out, at) {
			out = append(out, at)
		}
		return err
	}))
	return out
}
