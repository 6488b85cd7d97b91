package app

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
)

// inClusterOf is a unit as it works in the cluster of a Secret.
func inClusterOf(secret, manifest string) string {
	return strings.Replace(manifest, "spec: {", "spec: {kubeConfig: {secretRef: {name: "+secret+"}}, ", 1)
}

const shopRelease = `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: flux-system}
spec: {interval: 1m, targetNamespace: shop, storageNamespace: shop, chart: {spec: {chart: ./chart, sourceRef: {kind: GitRepository, name: flux-system}}}, values: {color: blue}}
`

// elsewhereFleet makes one ConfigMap here and in two other clusters, and a release in
// one of these.
func elsewhereFleet() map[string]string {
	return map[string]string{
		"clusters/x/here.yaml":    leavesUnit("here", "./app"),
		"clusters/x/edge.yaml":    inClusterOf("edge", leavesUnit("edge", "./app")),
		"clusters/x/far.yaml":     inClusterOf("far", leavesUnit("far", "./app")),
		"clusters/x/shop.yaml":    inClusterOf("edge", shopRelease),
		"app/cm.yaml":             config("app", "1"),
		"chart/Chart.yaml":        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
		"chart/values.yaml":       "color: red\n",
		"chart/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {a: '{{ .Values.color }}'}\n",
	}
}

// A plan with units in other clusters is the same from a base that was kept.
func TestSavedElsewhere(t *testing.T) {
	files, dir := elsewhereFleet(), filepath.Join(t.TempDir(), "plan")
	base := leaves(t, files, "a")
	files["app/cm.yaml"] = config("app", "2")
	files["clusters/x/shop.yaml"] = strings.Replace(files["clusters/x/shop.yaml"], "blue", "green", 1)
	head := leaves(t, files, "b")
	m := mirroring{dir: t.TempDir()}
	want := document(t, m.process(t, ""), ofMirroring, base, head)
	for _, saw := range []string{"nothing was kept", "its base was kept"} {
		p := m.process(t, dir)
		if got := document(t, p, ofMirroring, base, head); got != want {
			t.Errorf("%s: the plan differs:\n%s", saw, differ(got, want))
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !kept(t, m.process(t, dir), ofMirroring, base) {
		t.Error("the base was not taken from where it is kept")
	}
	for _, text := range []string{`"kubeConfig": "Secret/flux-system/edge"`, `"clusters/x/shop.yaml"`, `"green"`} {
		if !strings.Contains(want, text) {
			t.Errorf("the plan lacks %s:\n%s", text, want)
		}
	}
	if strings.Contains(want, `"failed"`) || strings.Contains(want, `"waiting"`) {
		t.Errorf("the fleet is not well: %s", want)
	}
}

// One object in three clusters is three; what a unit may become says in which.
func TestObjectsOfOtherClusters(t *testing.T) {
	seal := gate.SealOf("https://git.example.com/team/fleet", "word")
	p, err := NewPreviews(PreviewConfig{CacheDir: t.TempDir(), Options: engine.Options{Mask: plan.Mask{}, Approvals: engine.Approvals{Seal: &seal}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	v, err := p.Open(t.Context(), leaves(t, elsewhereFleet(), "a").Snapshot, ofMirroring)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r := v.Rendered(t.Context())
	apps, digests := map[object.Key]bool{}, map[gate.Digest]string{}
	for _, u := range r.Units {
		if u.State != fleet.Ready {
			t.Errorf("%s is %s: %s", u.Key, u.State, u.Message)
		}
		for _, o := range u.Objects {
			if o.Ref.Kind == "ConfigMap" {
				apps[o.Ref.Key] = true
			}
		}
		if d := v.digest(u.Key); d != "" {
			if other := digests[d]; other != "" {
				t.Errorf("%s and %s may become the same", u.Key, other)
			}
			digests[d] = u.Key.String()
		}
	}
	if len(apps) != 4 { // the release's is in a namespace of its own
		t.Errorf("got the ConfigMaps %v", apps)
	}
	if found := approvable(r, v.digest); len(found.Units) != 5 || len(found.Unknown) > 0 {
		t.Errorf("to be approved: %v, unknown %v", found.Units, found.Unknown)
	}
	if got := len(r.Placeholders); got != 3 { // two kubeconfigs, one namespace
		t.Errorf("got %d placeholders: %v", got, r.Placeholders)
	}
}
