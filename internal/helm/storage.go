package helm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	ri "helm.sh/helm/v4/pkg/release"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/internal/release"
)

var clientcmdEmpty = api.NewConfig()

// recorder is Helm's storage; it remembers what was written, as it was at that
// moment: Helm returns, and goes on changing, releases that it never stored.
// It reads the versions of the job's release at most once: Helm asks for them
// three to five times an action.
type recorder struct {
	driver.Driver
	run     *run
	written map[int]*relv1.Release
	deleted map[int]bool
	name    string                 // of the job's release; empty for none
	held    map[int]*relv1.Release // what storage holds of it, by version; nil before it was read
}

// begin takes up what the job knows of storage, if it is storage in that
// namespace that it knows.
func (s *recorder) begin(job Job, namespace string) {
	if job.Object == nil || release.StorageNamespace(job.Object) != namespace {
		return
	}
	s.name = release.Name(job.Object)
	if job.Stored != nil {
		s.hold(job.Stored)
	}
}

func (s *recorder) hold(all []*relv1.Release) {
	s.held = make(map[int]*relv1.Release, len(all))
	for _, rel := range all {
		s.held[rel.Version] = freeze(rel)
	}
}

// Query returns what has the labels. Of the job's release that is read once, and
// copies are returned of it, as Helm changes what it gets.
func (s *recorder) Query(labels map[string]string) ([]ri.Releaser, error) {
	if s.name == "" || labels["name"] != s.name || labels["owner"] != "helm" {
		return s.Driver.Query(labels)
	}
	if s.held == nil {
		if err := s.read(); err != nil {
			return nil, err
		}
	}
	var found []ri.Releaser
	for _, rel := range s.present() {
		if status, asked := labels["status"]; !asked || rel.Info.Status.String() == status {
			found = append(found, rel)
		}
	}
	if len(found) == 0 {
		return nil, driver.ErrReleaseNotFound
	}
	return found, nil
}

// read reads all versions of the job's release.
func (s *recorder) read() error {
	found, err := s.Driver.Query(map[string]string{"name": s.name, "owner": "helm"})
	if err != nil && !isNotFound(err) {
		return err
	}
	all, err := versions(s.name, found)
	if err == nil {
		s.hold(all)
	}
	return err
}

// present returns copies of what storage holds, oldest first; nil where that is
// not known.
func (s *recorder) present() []*relv1.Release {
	if s.held == nil {
		return nil
	}
	out := make([]*relv1.Release, 0, len(s.held))
	for _, version := range slices.Sorted(maps.Keys(s.held)) {
		out = append(out, freeze(s.held[version]))
	}
	return out
}

// Create stores a new release, unless the run is over: nothing was done yet.
func (s *recorder) Create(key string, rel ri.Releaser) error {
	if err := s.run.ctx.Err(); err != nil {
		return err
	}
	s.run.guard.restore()
	if v1, ok := rel.(*relv1.Release); ok {
		v1.Chart = s.run.shared(v1.Chart)
	}
	if err := s.Driver.Create(key, rel); err != nil {
		return tooLarge(err)
	}
	s.note(rel)
	return nil
}

// Update stores a release again.
func (s *recorder) Update(key string, rel ri.Releaser) error {
	if err := s.Driver.Update(key, rel); err != nil {
		return tooLarge(err)
	}
	s.note(rel)
	return nil
}

// Delete removes a release.
func (s *recorder) Delete(key string) (ri.Releaser, error) {
	rel, err := s.Driver.Delete(key)
	if v1, ok := rel.(*relv1.Release); err == nil && ok {
		s.note(v1)
		s.deleted[v1.Version] = true
		delete(s.held, v1.Version)
	}
	return rel, err
}

// errTooLarge tells that a release does not fit into a Secret.
var errTooLarge = errors.New("the release is too large")

// tooLarge explains the one limit of storage that charts run into.
func tooLarge(err error) error {
	if errors.Is(err, errTooLarge) || strings.Contains(err.Error(), "Too long") || strings.Contains(err.Error(), "Request entity too large") {
		return fmt.Errorf("%w: the packed chart, values and manifest of a release must fit into one Secret (1 MiB); leave files out of the chart with .helmignore", err)
	}
	return err
}

func (s *recorder) note(rel ri.Releaser) {
	v1, ok := rel.(*relv1.Release)
	if !ok {
		return
	}
	if s.written == nil {
		s.written, s.deleted = map[int]*relv1.Release{}, map[int]bool{}
	}
	s.written[v1.Version] = freeze(v1)
	if s.held != nil && v1.Name == s.name {
		s.held[v1.Version] = freeze(v1)
	}
}

// freeze returns a copy of what Helm changes in a release while it works on it.
func freeze(rel *relv1.Release) *relv1.Release {
	out := *rel
	if rel.Info != nil {
		info := *rel.Info
		out.Info = &info
	}
	out.Hooks = slices.Clone(rel.Hooks)
	for i, h := range rel.Hooks {
		hook := *h
		out.Hooks[i] = &hook
	}
	return &out
}

// newestFirst returns what was written.
func (s *recorder) newestFirst() []*relv1.Release {
	out := slices.Collect(maps.Values(s.written))
	slices.SortFunc(out, func(a, b *relv1.Release) int { return b.Version - a.Version })
	return out
}

// history returns all versions of a release, oldest first; none is no error.
func (s *recorder) history(name string) ([]*relv1.Release, error) {
	found, err := s.Query(map[string]string{"name": name, "owner": "helm"})
	if err != nil && !isNotFound(err) {
		return nil, fmt.Errorf("read release %s from Helm storage: %w", name, err)
	}
	return versions(name, found)
}

// versions returns what was found of a release, oldest first.
func versions(name string, found []ri.Releaser) ([]*relv1.Release, error) {
	var out []*relv1.Release
	for _, rel := range found {
		v1, ok := rel.(*relv1.Release)
		if !ok {
			return nil, fmt.Errorf("read release %s from Helm storage: made with a chart API other than v2", name)
		}
		if v1.Info == nil {
			v1.Info = &relv1.Info{Status: rcommon.StatusUnknown}
		}
		out = append(out, v1)
	}
	slices.SortFunc(out, func(a, b *relv1.Release) int { return a.Version - b.Version })
	return out, nil
}

// settle marks what was left pending as failed: the run ended, so nobody will
// finish it.
func (s *recorder) settle() {
	for _, rel := range s.newestFirst() {
		if rel.Info.Status.IsPending() && !s.deleted[rel.Version] {
			rel.SetStatus(rcommon.StatusFailed, "Release was interrupted")
			_ = s.Update(key(rel), rel) // the next Observe sees what it is
		}
	}
}

// key returns the name of a release's Secret.
func key(rel *relv1.Release) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", rel.Name, rel.Version)
}
