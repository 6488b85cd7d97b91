package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/leat-dev/leat/internal/object"
)

func init() { groups["HelmRelease"] = object.GroupHelm }

// Cases of the list of attacks that docs/attacks.md tells of and that no other
// test of this package makes.

// Case 1: what a spec can name beside the files of a repository.
func TestCase1PathsOfASpec(t *testing.T) {
	for path, want := range map[string]string{
		"/etc":               "etc", // from the top of the repository, as in Flux
		"file:///etc":        "file:",
		"~":                  "~",
		"./app/../../../etc": "etc",
		"app\\..\\..\\etc":   "etc",
	} {
		t.Run(path, func(t *testing.T) {
			s := up(t)
			s.save(files{"app/a.yaml": configMap("a", "1")})
			s.bystander()
			s.apply(source, kustomization("app", "path: '"+path+"'"))
			k := s.unit("app", anyReady)
			if c := condition(k, "Ready"); c.Status != "False" || !strings.Contains(c.Message, want) || strings.Contains(c.Message, "passwd") {
				t.Errorf("got %s %s %q, want False with the path", c.Status, c.Reason, c.Message)
			}
			s.ready("by")
		})
	}
	t.Run("components", func(t *testing.T) {
		s := up(t)
		s.save(files{"app/a.yaml": configMap("a", "1")})
		s.bystander()
		s.apply(source, kustomization("app", "path: ./app", "components: [../../../../etc]"))
		s.fails("app", "BuildFailed", "etc")
		s.absent("ConfigMap/a")
		s.ready("by")
	})
}

// Cases 2 and 6: links, however they get out, and a directory whose name only
// begins like that of the repository.
func TestCase2Links(t *testing.T) {
	secret := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen, namespace: $ns}\n"
	for name, links := range map[string][][2]string{
		"to the process":           {{"app/link.yaml", "/proc/self/environ"}},
		"of a chain":               {{"app/link.yaml", "two"}, {"app/two", "three"}, {"app/three", "/etc/hostname"}},
		"through a directory":      {{"app/dir", "$outside"}, {"app/link.yaml", "dir/a.yaml"}},
		"relative":                 {{"app/link.yaml", "../../$base-evil/a.yaml"}},
		"to another unit's store":  {{"app/link.yaml", "$store"}},
		"in a circle":              {{"app/link.yaml", "other.yaml"}, {"app/other.yaml", "link.yaml"}},
		"a directory of its own":   {{"app/link.yaml", "."}},
		"to the git directory":     {{"app/link.yaml", "../.git/config"}},
		"named like the outside":   {{"app/link.yaml", "$outside/a.yaml"}},
		"to a name that is longer": {{"app/link.yaml", "$dir-evil/a.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			outside := s.dir + "-evil"
			s.must(os.MkdirAll(outside, 0o700))
			t.Cleanup(func() { _ = os.RemoveAll(outside) })
			s.must(os.WriteFile(filepath.Join(outside, "a.yaml"), []byte(s.expand(secret)), 0o600))
			s.save(files{"app/kustomization.yaml": "resources: [link.yaml]\n"})
			to := strings.NewReplacer("$outside", outside, "$dir", s.dir, "$base", filepath.Base(s.dir), "$store", filepath.Join(s.cfg.DataDir, "artifacts"))
			for _, l := range links {
				s.must(os.Symlink(to.Replace(l[1]), filepath.Join(s.dir, l[0])))
			}
			s.bystander()
			s.apply(source, kustomization("app", "path: ./app"))
			s.fails("app", "BuildFailed", "link.yaml")
			s.absent("ConfigMap/stolen")
			s.ready("by")
		})
	}
}

// Case 2: a link that takes a file's place between two looks. Content is read
// once, so the old or the new state is built, and never what the link names.
func TestCase2LinkSwappedMeanwhile(t *testing.T) {
	s := up(t)
	outside := filepath.Join(t.TempDir(), "a.yaml")
	s.must(os.WriteFile(outside, []byte(s.expand(configMap("stolen", "1"))), 0o600))
	s.commit(files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": configMap("a", "1")})
	s.bystander()
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	at := filepath.Join(s.dir, "app", "a.yaml")
	for range 20 {
		s.must(os.Remove(at))
		s.must(os.Symlink(outside, at))
		s.commit(nil)
		s.must(os.Remove(at))
		s.commit(files{"app/a.yaml": configMap("a", "2")})
	}
	s.ready("app")
	s.data("ConfigMap/a", "2")
	s.absent("ConfigMap/stolen")
	s.ready("by")
}

// Case 12: YAML that is odd rather than big. The error names the file; what other
// parsers would let through differently is refused.
func TestCase12OddYAML(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a key twice":       {configMap("a", "1") + "data: {key: other}\n", "already defined"},
		"tabs":              {"apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: a\n", "a.yaml"},
		"100,000 documents": {strings.Repeat("---\na: b\n", 100_000), "documents"},
		"a million keys":    {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\ndata:\n" + strings.Repeat("  k: v\n", 1_000_000), "a.yaml"},
		"a tag of its own":  {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\ndata: {key: !!python/object:os.system x}\n", ""},
		"a byte order mark": {"\ufeff" + configMap("a", "1"), ""},
		"a huge number":     {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\ndata: {key: 1" + strings.Repeat("0", 400) + "}\n", ""},
		"binary":            {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: $ns}\nbinaryData: {key: !!binary aGk=}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := up(t)
			s.save(files{"app/a.yaml": c.text, "app/kustomization.yaml": "resources: [a.yaml]\n"})
			s.bystander()
			s.apply(source, kustomization("app", "path: ./app"))
			k := s.unit("app", anyReady)
			if ready := condition(k, "Ready"); c.want != "" && (ready.Status != "False" || !strings.Contains(ready.Message, c.want) || len(ready.Message) > 4096) {
				t.Errorf("got %s %s %.300q, want False with %q", ready.Status, ready.Reason, ready.Message, c.want)
			}
			s.ready("by")
		})
	}
}

// Case 33: what a unit depends on is read by the engine, not under the unit's
// account; so an account without rights waits as others do, and gets nothing of
// the dependency but the order.
func TestCase33DependenciesUnderAnAccountWithoutRights(t *testing.T) {
	s := up(t)
	s.save(files{"app/a.yaml": configMap("a", "1"), "first/kustomization.yaml": "resources: [missing.yaml]\n"})
	s.apply(serviceAccount, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer, namespace: $ns}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, create, patch]}]
`, strings.Replace(allowAll, "kind: ClusterRole, name: cluster-admin", "kind: Role, name: deployer", 1))
	s.apply(source, kustomization("first", "path: ./first"), kustomization("app", "path: ./app", "serviceAccountName: deployer", "dependsOn: [{name: first}]"))
	s.fails("app", "DependencyNotReady", "first")
	s.absent("ConfigMap/a")
	s.commit(files{"first/missing.yaml": configMap("first", "1")})
	s.ready("app")
	s.data("ConfigMap/a", "1")
}

// Case 36: a directory that goes prunes nothing, since it is an error and not a
// wish; a kustomization that is emptied is one, as in Flux, and prunes exactly
// what the unit applied.
func TestCase36NothingLeft(t *testing.T) {
	s := up(t)
	s.commit(files{"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": configMap("a", "1")})
	s.bystander()
	s.apply(source, kustomization("app", "path: ./app"))
	s.ready("app")
	s.commit(files{"app/a.yaml": "", "app/kustomization.yaml": ""})
	k := s.unit("app", func(k *kustomizev1.Kustomization) bool { return condition(k, "Ready").Status == "False" })
	if len(inventory(k)) != 1 {
		t.Errorf("inventory: got %q, want what it was", inventory(k))
	}
	s.idle()
	s.data("ConfigMap/a", "1")
	s.commit(files{"app/kustomization.yaml": "# nothing\n"})
	s.ready("app")
	s.gone("ConfigMap/a")
	s.ready("by")
	s.data("ConfigMap/by", "1")
}

// The store of the data directory is lost while the engine is down: releases and
// charts of every origin go on with the next change, though no status of their
// sources changes.
func TestDataDirectoryOfChartsIsLost(t *testing.T) {
	s := up(t)
	s.commit(files{
		"chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "chart/values.yaml": "color: red\n",
		"chart/templates/a.yaml": configMap("a", "{{ .Values.color }}"),
	})
	s.apply(source, `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: $ns}
spec:
  interval: 24h
  releaseName: web
  chart: {spec: {chart: ./chart, reconcileStrategy: Revision, sourceRef: {kind: GitRepository, name: fleet}}}
`)
	s.data("ConfigMap/a", "red")
	s.idle()
	s.stop()
	s.must(os.RemoveAll(s.cfg.DataDir))
	s.patch("HelmRelease/web", `{spec: {values: {color: blue}}}`)
	s.start()
	s.data("ConfigMap/a", "blue")
	s.commit(files{"chart/values.yaml": "color: red\nmore: 1\n"})
	s.patch("HelmRelease/web", `{spec: {values: {color: green}}}`)
	s.data("ConfigMap/a", "green")
}
