package release

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/hash"
)

// observation is what the digest of a snapshot is taken over: the fields, their
// order and their names are the contract (helm-controller v1.6.4
// internal/release/observation.go). Test hooks are left out, so that `helm
// test` by hand does not make a release somebody else's.
type observation struct {
	Name          string         `json:"name"`
	Version       int            `json:"version"`
	Info          relv1.Info     `json:"info"`
	ChartMetadata chart.Metadata `json:"chartMetadata"`
	Config        map[string]any `json:"config"`
	Manifest      string         `json:"manifest"`
	Hooks         []relv1.Hook   `json:"hooks"`
	Namespace     string         `json:"namespace"`
	OCIDigest     string         `json:"ociDigest,omitempty"`
}

func observe(rel *relv1.Release, ociDigest string) observation {
	o := observation{Name: rel.Name, Version: rel.Version, Manifest: rel.Manifest, Namespace: rel.Namespace, OCIDigest: ociDigest}
	if rel.Info != nil {
		o.Info = *rel.Info
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		o.ChartMetadata = *rel.Chart.Metadata
	}
	if len(rel.Config) > 0 {
		o.Config = rel.Config
	}
	for _, h := range rel.Hooks {
		if !slices.Contains(h.Events, relv1.HookTest) {
			o.Hooks = append(o.Hooks, *h)
		}
	}
	return o
}

// Digest returns the digest of a stored release as Flux writes it into
// status.history[].digest. ociDigest is that of the chart's artifact, which
// Helm's storage does not hold; empty for charts that came otherwise.
func Digest(rel *relv1.Release, ociDigest string) string {
	return jsonDigest(observe(rel, ociDigest))
}

// jsonDigest returns the digest of v's JSON.
func jsonDigest(v any) string {
	text := encoded(v)
	if text == nil {
		return ""
	}
	return hash.Of(text).String()
}

// encoded returns v's JSON, with a newline at its end; nil where it has none.
func encoded(v any) []byte {
	var buf bytes.Buffer
	if err := json.NewEncoder(&buf).Encode(v); err != nil {
		return nil
	}
	return buf.Bytes()
}

// Snapshot returns the entry of status.history for a stored release that action
// made.
func Snapshot(rel *relv1.Release, ociDigest string, action v2.ReleaseAction) *v2.Snapshot {
	o := observe(rel, ociDigest)
	return &v2.Snapshot{
		APIVersion: v2.CurrentSnapshotAPIVersion, Digest: jsonDigest(o), OCIDigest: ociDigest, Action: action,
		Name: o.Name, Namespace: o.Namespace, Version: o.Version, Status: o.Info.Status.String(),
		ChartName: o.ChartMetadata.Name, ChartVersion: o.ChartMetadata.Version, AppVersion: o.ChartMetadata.AppVersion,
		ConfigDigest:  ConfigDigest(o.Config),
		FirstDeployed: metav1.NewTime(o.Info.FirstDeployed),
		LastDeployed:  metav1.NewTime(o.Info.LastDeployed),
		Deleted:       metav1.NewTime(o.Info.Deleted),
	}
}

// Why a stored release is not the one of a snapshot, in Flux's words.
var (
	errDigest      = errors.New("release digest verification error")
	errNotObserved = errors.New("release not observed to be made for object")
)

// verify returns nil when rel is what snap was made of. Snapshots of before
// Helm 4 (no apiVersion) are trusted, as Flux does to take them over. Flux may have been
// told of another algorithm (--snapshot-digest-algo).
func verify(snap *v2.Snapshot, rel *relv1.Release) error {
	if snap.APIVersion != v2.CurrentSnapshotAPIVersion {
		return nil
	}
	text, have := encoded(observe(rel, snap.OCIDigest)), ""
	switch algorithm, _, _ := strings.Cut(snap.Digest, ":"); {
	case ours(snap.Digest):
		have = hash.Of(text).String()
	case algorithm == "sha384":
		have = fmt.Sprintf("sha384:%x", sha512.Sum384(text))
	case algorithm == "sha512":
		have = fmt.Sprintf("sha512:%x", sha512.Sum512(text))
	default:
		return errDigest
	}
	if have != snap.Digest {
		return errNotObserved
	}
	return nil
}

// ours tells whether a digest is of the algorithm in which we write them.
func ours(digest string) bool {
	_, err := hash.Parse(digest)
	return err == nil
}

// PostRenderersDigest returns what goes into
// status.observedPostRenderersDigest; empty without post renderers
// (helm-controller v1.6.4 internal/postrender/build.go).
func PostRenderersDigest(renderers []v2.PostRenderer) string {
	if renderers == nil {
		return ""
	}
	return jsonDigest(renderers)
}

// CommonMetadataDigest returns what goes into
// status.observedCommonMetadataDigest; empty without common metadata.
func CommonMetadataDigest(common *v2.CommonMetadata) string {
	if common == nil {
		return ""
	}
	return jsonDigest(common)
}

// RenderingOf returns what the post renderers and the common metadata of a spec come
// to. Old is what its post renderers hold that only versions before v2 had, as JSON;
// nil for nothing.
func RenderingOf(hr *v2.HelmRelease, old []byte) Rendering {
	out := Rendering{PostRenderersDigest(hr.Spec.PostRenderers), CommonMetadataDigest(hr.Spec.CommonMetadata)}
	if len(old) > 0 {
		out.PostRenderers = jsonDigest([]string{out.PostRenderers, string(old)})
	}
	return out
}

// TestHooks returns the tests of a release that filters select, with how they
// went.
func TestHooks(rel *relv1.Release, filters []v2.Filter) map[string]*v2.TestHookStatus {
	out := map[string]*v2.TestHookStatus{}
	for _, h := range rel.Hooks {
		if slices.Contains(h.Events, relv1.HookTest) && selected(h.Name, filters) {
			out[h.Name] = &v2.TestHookStatus{
				LastStarted:   metav1.NewTime(h.LastRun.StartedAt),
				LastCompleted: metav1.NewTime(h.LastRun.CompletedAt),
				Phase:         h.LastRun.Phase.String(),
			}
		}
	}
	return out
}

// selected tells whether a test runs: not excluded by name, and named if any is.
func selected(name string, filters []v2.Filter) bool {
	named, any := false, false
	for _, f := range filters {
		if f.Exclude && f.Name == name {
			return false
		}
		any = any || !f.Exclude
		named = named || !f.Exclude && f.Name == name
	}
	return named || !any
}

// latest returns the release of the highest version; nil when there is none.
func latest(stored []*relv1.Release) *relv1.Release {
	if len(stored) == 0 {
		return nil
	}
	return slices.MaxFunc(stored, func(a, b *relv1.Release) int { return a.Version - b.Version })
}

func version(stored []*relv1.Release, name string, v int) *relv1.Release {
	i := slices.IndexFunc(stored, func(r *relv1.Release) bool { return r.Name == name && r.Version == v })
	if i < 0 {
		return nil
	}
	return stored[i]
}
