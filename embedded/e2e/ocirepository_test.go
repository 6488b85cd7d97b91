package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/mirror"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

func init() { groups["OCIRepository"] = object.GroupSource }

// asksRegistries lets the engine ask registries, which stand on loopback.
func asksRegistries(c *app.Config) { c.Offline = false }

func ociRepository(url string, spec ...string) string {
	return "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: app, namespace: $ns}\nspec:\n" +
		"  interval: 24h\n  url: " + url + "\n  " + strings.Join(spec, "\n  ") + "\n"
}

// fromOCI is a Kustomization that builds from the OCIRepository.
const fromOCI = `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: app, namespace: $ns}
spec: {interval: 24h, retryInterval: 24h, prune: true, path: ./deploy, sourceRef: {kind: OCIRepository, name: app}}
`

// oci waits until the OCIRepository is as ok wants it.
func (s *stand) oci(ok func(o *sourcev1.OCIRepository, ready metav1.Condition) bool) *sourcev1.OCIRepository {
	s.Helper()
	var last *sourcev1.OCIRepository
	s.await("OCIRepository/app", func(u *unstructured.Unstructured) bool {
		if u == nil {
			return false
		}
		o, err := unit.DecodeOCIRepository(u)
		if err != nil {
			return false
		}
		last = &o.OCIRepository
		ready := unit.Condition(o.Status.Conditions, "Ready")
		return ready != nil && ready.ObservedGeneration == o.Generation && ok(last, *ready)
	})
	return last
}

// ociAt waits until it is Ready at a revision.
func (s *stand) ociAt(revision string) *sourcev1.OCIRepository {
	s.Helper()
	return s.oci(func(o *sourcev1.OCIRepository, ready metav1.Condition) bool {
		return ready.Status == "True" && o.Status.Artifact != nil && o.Status.Artifact.Revision == revision
	})
}

// ociFails waits until it is not Ready for a reason, with a message.
func (s *stand) ociFails(reason, text string) *sourcev1.OCIRepository {
	s.Helper()
	return s.oci(func(_ *sourcev1.OCIRepository, ready metav1.Condition) bool {
		return ready.Status == "False" && ready.Reason == reason && strings.Contains(ready.Message, s.expand(text))
	})
}

// withOCI lets the namespace go also when the test fails.
func withOCI(s *stand) {
	s.Cleanup(func() {
		c, name := s.at("OCIRepository/app")
		_, _ = c.Patch(context.Background(), name, types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`), metav1.PatchOptions{}) // mostly gone
	})
}

func deploy(s *stand, name, value string) registrytest.Artifact {
	return registrytest.Files(map[string]string{"deploy/a.yaml": s.expand(configMap(name, value)), "README.md": "not kept"})
}

// From a registry to the cluster: a tag that moves, the status, another layer
// and other rules, suspension, deletion.
func TestOCIRepository(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	s := up(t, asksRegistries)
	withOCI(s)
	a := deploy(s, "a", "1").With("org.opencontainers.image.source", "https://git.example.com/app").With("org.opencontainers.image.revision", "main@sha1:1")
	first := reg.Push("acme/app", "main", a)
	s.apply(ociRepository(reg.URL("acme/app"), "ref: {tag: main}"), fromOCI)
	o := s.ociAt("main@" + first)
	s.data("ConfigMap/a", "1")
	art := o.Status.Artifact
	if want := "ocirepository/" + s.ns + "/app/" + first + ".tar.gz"; art.Path != want || !strings.HasSuffix(art.URL, want) {
		t.Errorf("got %s at %s, want %s", art.Path, art.URL, want)
	}
	if art.Metadata["org.opencontainers.image.revision"] != "main@sha1:1" || !strings.HasSuffix(o.Status.URL, "/app/latest.tar.gz") {
		t.Errorf("got metadata %v, URL %s", art.Metadata, o.Status.URL)
	}
	s.unit("app", func(k *kustomizev1.Kustomization) bool {
		return k.Status.LastAppliedRevision == "main@"+first && k.Status.LastAppliedOriginRevision == "main@sha1:1"
	})

	old, long := filepath.Join(s.cfg.DataDir, "artifacts", art.Path), time.Now().Add(-time.Hour)
	s.must(os.Chtimes(old, long, long))
	second := reg.Push("acme/app", "main", deploy(s, "a", "2"))
	s.patch("OCIRepository/app", `{metadata: {annotations: {`+object.RequestedAt+`: "1"}}}`)
	o = s.ociAt("main@" + second)
	if _, err := os.Stat(old); err != nil {
		t.Errorf("who has read the status a moment ago finds nothing: %v", err)
	}
	if o.Status.LastHandledReconcileAt != "1" {
		t.Errorf("the request was not answered: %q", o.Status.LastHandledReconcileAt)
	}
	s.data("ConfigMap/a", "2")

	s.reconcile("OCIRepository/app")
	if _, err := os.Stat(old); err == nil {
		t.Error("what was replaced stays for ever")
	}

	s.patch("OCIRepository/app", `{spec: {ignore: "/*\n!/deploy", layerSelector: {mediaType: `+registrytest.FluxContent+`}}}`)
	s.oci(func(o *sourcev1.OCIRepository, ready metav1.Condition) bool {
		return ready.Status == "True" && o.Status.ObservedGeneration == o.Generation && o.Status.ObservedIgnore != nil && o.Status.ObservedLayerSelector != nil
	})
	s.patch("OCIRepository/app", `{spec: {layerSelector: {operation: copy}}}`)
	s.oci(func(o *sourcev1.OCIRepository, ready metav1.Condition) bool {
		l := o.Status.ObservedLayerSelector
		return ready.Status == "True" && l != nil && l.Operation == "copy" && *o.Status.Artifact.Size == int64(len(deploy(s, "a", "2").Layers[0].Content))
	})

	s.patch("OCIRepository/app", `{spec: {suspend: true}}`)
	reg.Asked()
	s.patch("OCIRepository/app", `{metadata: {annotations: {`+object.RequestedAt+`: "2"}}}`)
	s.idle()
	if asked := reg.Asked(); len(asked) > 0 {
		t.Errorf("suspended, and asked %v", asked)
	}
	s.delete("Kustomization/app")
	s.gone("ConfigMap/a")
	s.delete("OCIRepository/app")
	s.gone("OCIRepository/app")
	if left, _ := os.ReadDir(filepath.Join(s.cfg.DataDir, "artifacts", "ocirepository", s.ns, "app")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// An old version with a range and a filter works, and keeps doing so after a
// restart without pulling anything.
func TestOCIRepositoryOfAnOldVersion(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{User: "u", Password: "canary", Login: registrytest.Token})
	s := up(t, asksRegistries)
	withOCI(s)
	digest := reg.Push("acme/app", "1.2.0-rc.1", deploy(s, "a", "1"))
	reg.Push("acme/app", "1.3.0", deploy(s, "a", "2"))
	s.apply(strings.Replace(ociRepository(reg.URL("acme/app"), `ref: {semver: ">=1.0.0-0", semverFilter: ".*-rc.*"}`, "secretRef: {name: login}"),
		"toolkit.fluxcd.io/v1\n", "toolkit.fluxcd.io/v1beta2\n", 1))
	s.ociFails("AuthenticationFailed", "failed to get secret '$ns/login'")
	secret := func(password string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: $ns}\ntype: kubernetes.io/dockerconfigjson\n"+
			"stringData: {.dockerconfigjson: '%s'}\n", reg.DockerConfig("u", password)[".dockerconfigjson"])
	}
	s.apply(secret("canary-wrong"))
	s.ociFails("AuthenticationFailed", "authentication failed")
	s.apply(secret("canary"))
	s.ociAt("1.2.0-rc.1@" + digest)
	if text := fmt.Sprint(s.get("OCIRepository/app").Object, s.logs.tail()); strings.Contains(text, "canary") {
		t.Error("the password shows")
	}

	s.stop()
	reg.Asked()
	s.start()
	s.patch("OCIRepository/app", `{metadata: {annotations: {`+object.RequestedAt+`: "1"}}}`)
	s.oci(func(o *sourcev1.OCIRepository, ready metav1.Condition) bool {
		return ready.Status == "True" && o.Status.LastHandledReconcileAt == "1"
	})
	for _, r := range reg.Asked() {
		if strings.Contains(r.Path, "/manifests/") && r.Method == http.MethodGet || strings.Contains(r.Path, "/blobs/") {
			t.Errorf("pulled again: %s", r)
		}
	}
}

// What can never work stalls; what may work later is tried again.
func TestOCIRepositoryRefuses(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	s := up(t, asksRegistries)
	withOCI(s)
	reg.Push("acme/app", "latest", deploy(s, "a", "1"))
	s.apply(ociRepository(reg.URL("acme/app:v1")))
	stalled := func(o *sourcev1.OCIRepository) {
		t.Helper()
		if c := unit.Condition(o.Status.Conditions, "Stalled"); c == nil || c.Status != "True" {
			t.Errorf("not stalled: %+v", o.Status.Conditions)
		}
	}
	stalled(s.ociFails("URLInvalid", "URL validation failed for '"+reg.URL("acme/app:v1")+"'"))
	s.patch("OCIRepository/app", `{spec: {url: "`+reg.URL("acme/app")+`", verify: {provider: cosign}}}`)
	stalled(s.ociFails("VerificationError", "signatures cannot be verified yet"))
	s.patch("OCIRepository/app", `{spec: {verify: null, provider: aws}}`)
	stalled(s.ociFails("FeatureGateDisabled", `spec.provider "aws" is not supported yet`))
	s.patch("OCIRepository/app", `{spec: {provider: generic, ref: {semver: "nonsense!"}}}`)
	stalled(s.ociFails("ReadOperationFailed", "nonsense!"))
	s.patch("OCIRepository/app", `{spec: {ref: {semver: "9.x"}}}`)
	s.ociFails("ReadOperationFailed", "no match found for semver: 9.x; tags: latest")
	s.patch("OCIRepository/app", `{spec: {ref: {semver: null, tag: none}}}`)
	s.ociFails("OCIArtifactPullFailed", "MANIFEST_UNKNOWN")
	s.patch("OCIRepository/app", `{spec: {ref: null, layerSelector: {mediaType: application/none}}}`)
	s.ociFails("OCIArtifactLayerOperationFailed", "failed to find layer with media type 'application/none'")
	s.patch("OCIRepository/app", `{spec: {layerSelector: null, serviceAccountName: puller}}`)
	s.ociFails("AuthenticationFailed", "serviceaccount '$ns/puller' not found")
	s.apply("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: puller, namespace: $ns}\n")
	s.oci(func(o *sourcev1.OCIRepository, ready metav1.Condition) bool { return ready.Status == "True" })
}

// A mirror stands for a registry, and without one the network is not used.
func TestOCIRepositoryOfAMirror(t *testing.T) {
	dir := t.TempDir()
	m, err := mirror.Parse("oci://ghcr.io/acme=" + dir)
	if err != nil {
		t.Fatal(err)
	}
	s := up(t, func(c *app.Config) { c.Local.(*app.LocalSources).Mirrors = []mirror.Mirror{m} })
	withOCI(s)
	s.must(os.MkdirAll(filepath.Join(dir, "app", "main", "deploy"), 0o700))
	s.must(os.WriteFile(filepath.Join(dir, "app", "main", "deploy", "a.yaml"), []byte(s.expand(configMap("a", "1"))), 0o600))
	s.apply(ociRepository("oci://ghcr.io/other/app", "ref: {tag: main}"), fromOCI)
	s.ociFails("OCIArtifactPullFailed", "pass --mirror oci://ghcr.io/other/app=FOLDER")
	s.patch("OCIRepository/app", `{spec: {url: "oci://ghcr.io/acme/app", ref: {tag: v9}}}`)
	s.ociFails("OCIArtifactPullFailed", `no tag "v9"; it has main`)
	s.patch("OCIRepository/app", `{spec: {url: "oci://ghcr.io/acme/app", ref: {tag: main}, verify: {provider: cosign}, secretRef: {name: none}}}`)
	s.data("ConfigMap/a", "1")
}
