package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
)

// A release that was found in sync stays so until something moves: its inputs,
// its Secrets in Helm's storage, and with drift detection its objects. All of
// that is watched, so an interval in which nothing moved costs no request.

// Stored tells how Helm's storage of a release looks: a text that differs when
// anything of it was written, and whether that is known.
type Stored func(storageNamespace, name string) (string, bool)

// idle tells whether nothing moved since the release was found in sync.
func (r *releasing) idle() bool {
	if r.memo.settled == "" || r.run.Outcome != nil || len(r.memo.attempt.done) > 0 {
		return false
	}
	now, known := r.standing()
	return known && now == r.memo.settled && r.quiet()
}

// settle remembers the release as in sync with what is stored of it.
func (r *releasing) settle() {
	r.memo.settled = r.inputs() + "\n" + textOf(r.req.Stored)
	r.noteStorage()
}

// observe returns what Helm's storage holds of the release. The watch of storage
// saves reading it where nothing was ever stored, and right after an action of
// our own: should the watch show anything else later, that brings another run. A
// ServiceAccount always reads once before it begins: one that may not is told
// so, and nothing counts as failed.
func (r *releasing) observe(ctx context.Context) ([]*relv1.Release, error) {
	now, watched := r.storage()
	switch {
	case watched && r.left != nil:
		return r.left, nil
	case watched && now == "" && r.h.ServiceAccount(r.Options.DefaultServiceAccount) == "" && len(r.run.Status.History) == 0 && r.run.Outcome == nil:
		return []*relv1.Release{}, nil
	}
	return r.driver.Observe(ctx, helm.PlaceOf(&r.h.HelmRelease))
}

// known returns what tells an action, when it begins, what was observed: nil,
// which makes it read storage, where that has changed since, or is too large to be kept
// until its turn comes.
func (r *releasing) known() func() []*relv1.Release {
	look, at := r.site.Stored, helm.PlaceOf(&r.h.HelmRelease)
	if look == nil || helm.Large(r.req.Stored) {
		return func() []*relv1.Release { return nil }
	}
	stored := append([]*relv1.Release{}, r.req.Stored...)
	return func() []*relv1.Release {
		if now, watched := look(at.StorageNamespace, at.Name); !watched || now != textOf(stored) {
			return nil
		}
		return stored
	}
}

// storage tells how the watch of Helm's storage sees the release.
func (r *releasing) storage() (string, bool) {
	if r.site.Stored == nil {
		return "", false
	}
	at := helm.PlaceOf(&r.h.HelmRelease)
	return r.site.Stored(at.StorageNamespace, at.Name)
}

func textOf(stored []*relv1.Release) string {
	versions := make([]string, len(stored))
	for i, rel := range stored {
		versions[i] = StoredVersion(rel.Version, rel.Info.Status.String())
	}
	return StoredText(versions)
}

// standing names the inputs and the storage as they are now.
func (r *releasing) standing() (string, bool) {
	r.noteStorage()
	stored, known := r.storage()
	return r.inputs() + "\n" + stored, known
}

// noteStorage has the next change of the release's storage bring a run.
func (r *releasing) noteStorage() {
	h := &r.h.HelmRelease
	r.view.rec.Note(record.Read{Space: record.Object, Key: At(r.site.ID, StorageSubject(release.StorageNamespace(h)+"/"+release.Name(h)))})
}

// that reads where the release is.
func (r *releasing) that() view { return view{r.site.World, r.view.rec, r.site.ID} }

// StoredVersion names one version of a release and its state.
func StoredVersion(version int, status string) string { return fmt.Sprintf("%d:%s", version, status) }

// StoredText names what storage holds of a release.
func StoredText(versions []string) string {
	slices.Sort(versions)
	return strings.Join(versions, " ")
}

// StorageSubject names Helm's storage of a release, "namespace/name".
func StorageSubject(place string) string { return "storage of " + place }

// quiet tells whether no object of the release moved since it was compared with
// the manifest; without drift detection nobody asks.
func (r *releasing) quiet() bool {
	if !r.h.GetDriftDetection().MustDetectChanges() {
		return true
	}
	keys, err := r.objects()
	if err != nil {
		return false
	}
	for _, key := range keys {
		r.that().managed(key)
	}
	return r.compared(keys)
}

// compared tells whether the objects are as they were when they were compared
// last. What was found then is told again: it may not have been written down.
func (r *releasing) compared(keys []object.Key) bool {
	now, last := "", r.memo.compared
	if strings.HasPrefix(last, asVersions) {
		now = r.versions(keys)
	} else {
		now = r.marks(keys)
	}
	if last == "" || now != last {
		return false
	}
	r.run.Compared, r.run.Drift = true, r.memo.drift
	return true
}

// objects are the keys of what the release consists of.
func (r *releasing) objects() ([]object.Key, error) {
	if r.run.Status.Inventory == nil {
		return nil, nil
	}
	entries := make([]inventory.Entry, len(r.run.Status.Inventory.Entries))
	for i, e := range r.run.Status.Inventory.Entries {
		entries[i] = inventory.Entry{ID: e.ID, Version: e.Version}
	}
	in, err := inventory.Decode(entries)
	if err != nil {
		return nil, err
	}
	keys := make([]object.Key, len(in))
	for i, ref := range in {
		keys[i] = ref.Key
	}
	return keys, nil
}

// marks names the state of objects as far as we own them; empty where one is
// not watched.
func (r *releasing) marks(keys []object.Key) string {
	if r.site.Feed == nil {
		return ""
	}
	sum := hash.New("helm.marks/v1")
	for _, key := range keys {
		seen, exists, followed := r.site.Feed.table.Seen(key)
		if !followed || !exists || seen.Intruder != "" {
			return ""
		}
		sum.Str(key.String()).Str(string(seen.UID)).Str(seen.Entry.Hex())
	}
	return sum.Sum().Hex()
}

// asVersions begins what versions returns.
const asVersions = "versions "

// versions names the versions of objects; empty where one is not watched. What
// has drifted, and is left so, may come right by writes that change nothing of
// what we own.
func (r *releasing) versions(keys []object.Key) string {
	if r.site.Feed == nil {
		return ""
	}
	sum := hash.New("helm.versions/v1")
	for _, key := range keys {
		seen, exists, followed := r.site.Feed.table.Seen(key)
		if !followed {
			return ""
		}
		sum.Str(key.String()).Str(fmt.Sprint(exists, seen.UID, seen.Version))
	}
	return asVersions + sum.Sum().Hex()
}

// diff compares the release with the cluster, unless nothing moved since it was
// compared last.
func (r *releasing) diff(ctx context.Context) error {
	keys, err := r.objects()
	if err != nil {
		return report.Retry(report.ReasonReleaseState, fmt.Errorf("status.inventory: %w", err))
	}
	r.followObjects(ctx)
	for _, key := range keys {
		r.that().managed(key)
	}
	if r.compared(keys) {
		r.req.Drift = release.NoDrift
		if strings.HasPrefix(r.memo.compared, asVersions) {
			r.req.Drift = release.Drifted
		}
		r.memo.attempt.drift = r.req.Drift
		return nil
	}
	before, versions := r.marks(keys), r.versions(keys)
	newest := slices.MaxFunc(r.req.Stored, byVersion)
	found, err := r.driver.Diff(ctx, r.job(), newest)
	switch {
	case err != nil && !found.Has():
		return report.Retry(report.ReasonReleaseState, fmt.Errorf("Could not determine release state: %w", err))
	case err != nil: // what was found is put right all the same, as in Flux
		r.log().Warn("not every object of a release could be compared", "unit", r.h.Key(), "error", err)
	}
	r.req.Drift, r.memo.compared, r.memo.drift = release.NoDrift, before, nil
	if found.Has() {
		r.req.Drift, r.memo.compared = release.Drifted, ""
		if r.h.GetDriftDetection().GetMode() == v2.DriftDetectionWarn {
			r.memo.compared = versions
		}
		r.memo.drift = drifted(found)
		r.run.Drift = r.memo.drift
	}
	r.run.Compared = true
	r.memo.attempt.drift, r.memo.attempt.found = r.req.Drift, found
	return nil
}

// followObjects has the kinds of the release watched.
func (r *releasing) followObjects(ctx context.Context) {
	if r.site.Feed == nil || r.run.Status.Inventory == nil {
		return
	}
	for _, e := range r.run.Status.Inventory.Entries {
		in, err := inventory.Decode([]inventory.Entry{{ID: e.ID, Version: e.Version}})
		if err != nil || len(in) == 0 {
			continue
		}
		if err := r.site.Feed.table.Follow(ctx, in[0].GVK()); err != nil {
			r.log().Debug("a kind of a release is not watched", "unit", r.h.Key(), "kind", in[0].Kind, "error", err)
		}
	}
}

// drifted lists what differs, an object a line, with its fields.
func drifted(d helm.Drift) []string {
	out := make([]string, 0, len(d.Objects))
	for _, o := range d.Objects {
		if o.Missing {
			out = append(out, o.Ref.Key.String()+" removed")
			continue
		}
		fields := make([]string, 0, len(o.Changes))
		for _, c := range o.Changes {
			fields = append(fields, c.Path)
		}
		out = append(out, fmt.Sprintf("%s changed (%s)", o.Ref.Key, strings.Join(fields, ", ")))
	}
	return out
}
