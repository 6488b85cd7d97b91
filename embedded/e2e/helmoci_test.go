package e2e

import (
	"fmt"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/app"
	rel "github.com/leat-dev/leat/internal/release"
)

// pushed is the stand's chart as `helm push` sends it.
func pushed(version, color string) registrytest.Artifact {
	in := map[string]string{}
	for name, text := range chartOf(version, files{"values.yaml": "color: " + color + "\n"}) {
		in["web"+strings.TrimPrefix(name, "chart")] = strings.ReplaceAll(text, ", namespace: $ns", "")
	}
	return registrytest.Chart(registrytest.Pack(in))
}

// listed is what `helm ls` shows: "web-0.1.0+0123456789ab v9 deployed".
func (s *stand) listed() string {
	s.Helper()
	list := action.NewList(s.helm())
	found, err := list.Run()
	s.must(err)
	var words []string
	for _, one := range found {
		r := one.(*relv1.Release)
		words = append(words, fmt.Sprintf("%s %d %s-%s %s %s", r.Name, r.Version, r.Chart.Name(), r.Chart.Metadata.Version, r.Chart.AppVersion(), r.Info.Status))
	}
	return strings.Join(words, "\n")
}

const fromRegistry = "chartRef: {kind: OCIRepository, name: app}"

// A chart in a registry: its version bears the digest of its manifest, so that a
// tag that moves is an upgrade, and `helm ls` tells the two apart.
func TestHelmReleaseOfAnOCIRepository(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	s := up(t, asksRegistries)
	withOCI(s)
	first := reg.Push("charts/web", "0.1.0", pushed("0.1.0", "red"))
	s.apply(ociRepository(reg.URL("charts/web"), "ref: {tag: 0.1.0}", "layerSelector: {mediaType: "+registrytest.ChartContent+", operation: copy}"),
		helmRelease("web", fromRegistry, "values: {size: 1}"))
	h := s.released("web", 1)
	s.data("ConfigMap/a", "red")
	s.wantOCI(h, first)
	if want := rel.ConfigDigest(map[string]any{"size": 1}); h.Status.History[0].ConfigDigest != want {
		t.Errorf("config digest: got %s, want %s", h.Status.History[0].ConfigDigest, want)
	}
	s.absent("HelmChart/" + s.ns + "-web") // none is made for a chartRef
	t.Run("a tag that moves", func(t *testing.T) {
		second := reg.Push("charts/web", "0.1.0", pushed("0.1.0", "blue"))
		s.reconcile("OCIRepository/app")
		h := s.released("web", 2)
		s.data("ConfigMap/a", "blue")
		s.wantOCI(h, second)
		if old := h.Status.History[1]; old.OCIDigest != first || old.Status != "superseded" {
			t.Errorf("the snapshot before: got %+v", old)
		}
	})
	t.Run("a tag that does not", func(t *testing.T) {
		s.reconcile("OCIRepository/app")
		s.reconcile("HelmRelease/web")
		s.idle()
		s.wantKept("web", "1:superseded 2:deployed")
	})
	t.Run("another tag", func(t *testing.T) {
		third := reg.Push("charts/web", "0.2.0", pushed("0.2.0", "green"))
		s.patch("OCIRepository/app", "{spec: {ref: {tag: 0.2.0}}}")
		h := s.released("web", 3)
		s.wantOCI(h, third)
	})
	t.Run("a tag that lies", func(t *testing.T) {
		reg.Push("charts/web", "0.4.0", pushed("0.3.0", "pink"))
		s.patch("OCIRepository/app", "{spec: {ref: {tag: 0.4.0}}}")
		s.refuses("web", "ChartMutateError", "0.4.0", "0.3.0")
		s.data("ConfigMap/a", "green")
	})
}

// wantOCI checks all places that tell of the digest of a chart's manifest.
func (s *stand) wantOCI(h *v2.HelmRelease, digest string) {
	s.Helper()
	cur := h.Status.History.Latest()
	tag := strings.TrimSuffix(h.Status.LastAttemptedRevision, "+"+shortOf(digest))
	if cur.OCIDigest != digest || cur.ChartVersion != tag+"+"+shortOf(digest) || h.Status.LastAttemptedRevisionDigest != digest {
		s.Errorf("got chart version %s, digest %s, attempted %s %s; want those of %s", cur.ChartVersion, cur.OCIDigest,
			h.Status.LastAttemptedRevision, h.Status.LastAttemptedRevisionDigest, digest)
	}
	if got, want := s.listed(), fmt.Sprintf("web %d web-%s v9 deployed", cur.Version, cur.ChartVersion); got != want {
		s.Errorf("helm ls: got %q, want %q", got, want)
	}
}

func shortOf(digest string) string { return strings.TrimPrefix(digest, "sha256:")[:12] }

// reconcile asks for a run and waits for it, as `flux reconcile` does.
func (s *stand) reconcile(name string) {
	s.Helper()
	at := fmt.Sprintf("%q", s.get(name).GetResourceVersion())
	s.patch(name, "{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "+at+"}}}")
	s.has(name, at, "status", "lastHandledReconcileAt")
}

// With the feature gate DisableChartDigestTracking a chart is its version alone.
func TestHelmReleaseWithoutDigests(t *testing.T) {
	reg := registrytest.Start(t, registrytest.Options{})
	s := up(t, asksRegistries, func(c *app.Config) { c.Options.DisableChartDigestTracking = true })
	withOCI(s)
	reg.Push("charts/web", "0.1.0", pushed("0.1.0", "red"))
	s.apply(ociRepository(reg.URL("charts/web"), "ref: {tag: 0.1.0}", "layerSelector: {mediaType: "+registrytest.ChartContent+", operation: copy}"), helmRelease("web", fromRegistry))
	s.released("web", 1)
	reg.Push("charts/web", "0.1.0", pushed("0.1.0", "blue"))
	s.reconcile("OCIRepository/app")
	s.idle()
	if got, want := s.listed(), "web 1 web-0.1.0 v9 deployed"; got != want {
		t.Errorf("helm ls: got %q, want %q", got, want)
	}
}
