package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/commit"
	"github.com/leat-dev/leat/internal/crd"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// shelf stores trees in memory.
type shelf struct {
	host   string
	trees  map[string]tree.Tree // by digest
	bytes  map[string][]byte    // by digest
	files  map[string]string    // path → digest
	puts   int
	broken error
}

func (s *shelf) Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	s.trees[t.Hash().String()] = t
	return s.put(key, revision, file, meta.Artifact{Digest: t.Hash().String(), Size: ptr.To(t.Size())}), nil
}

func (s *shelf) PutFile(key object.Key, revision, file string, content []byte) (*meta.Artifact, error) {
	if s.broken != nil {
		return nil, s.broken
	}
	digest := hash.Of(content).String()
	s.bytes[digest] = content
	return s.put(key, revision, file, meta.Artifact{Digest: digest, Size: ptr.To(int64(len(content)))}), nil
}

func (s *shelf) PutFrom(key object.Key, revision, file string, fill func(io.Writer) error) (*meta.Artifact, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return nil, err
	}
	return s.PutFile(key, revision, file, b.Bytes())
}

func (s *shelf) put(key object.Key, revision, file string, sum meta.Artifact) *meta.Artifact {
	s.puts++
	p := strings.ToLower(key.Kind) + "/" + key.Namespace + "/" + key.Name + "/" + file
	s.files[p] = sum.Digest
	return &meta.Artifact{
		Path: p, URL: s.URL(p), Revision: revision, Digest: sum.Digest, Size: sum.Size,
		LastUpdateTime: metav1.NewTime(time.Date(2026, 1, 1, 0, s.puts, 0, 0, time.UTC)),
	}
}

func (s *shelf) Link(key object.Key, name string, a *meta.Artifact) (string, error) {
	p := path.Join(path.Dir(a.Path), name)
	s.files[p] = a.Digest
	return s.URL(p), nil
}

func (s *shelf) Has(a *meta.Artifact) bool                { return s.files[a.Path] == a.Digest }
func (s *shelf) URL(p string) string                      { return "http://" + s.host + "/" + p }
func (s *shelf) Collect(object.Key, *meta.Artifact) error { return nil }

func (s *shelf) RemoveAll(key object.Key) error {
	dir := strings.ToLower(key.Kind) + "/" + key.Namespace + "/" + key.Name + "/"
	for p := range s.files {
		if strings.HasPrefix(p, dir) {
			delete(s.files, p)
		}
	}
	return nil
}

func (s *shelf) Open(_ context.Context, a *meta.Artifact) (tree.Tree, error) {
	t, ok := s.trees[a.Digest]
	if !ok {
		return t, errors.New("no such artifact")
	}
	return t, nil
}

func (s *shelf) Read(_ context.Context, a *meta.Artifact, _ int64) ([]byte, error) {
	b, ok := s.bytes[a.Digest]
	if !ok {
		return nil, errors.New("no such artifact")
	}
	return b, nil
}

// stand is a world with a generator in it, and the engine that serves it.
type stand struct {
	*testing.T
	w     *memory.World
	e     *engine.Engine
	shelf *shelf
	now   time.Time
	// asked lists the writes since the last call of run.
	asked []string
	// refuse is a write that the world refuses.
	refuse string
}

func newStand(t *testing.T) *stand {
	s := &stand{T: t, now: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}
	s.shelf = &shelf{host: "source-watcher.flux-system", trees: map[string]tree.Tree{}, bytes: map[string][]byte{}, files: map[string]string{}}
	s.w = memory.New(memory.Options{Check: func(r memory.Request) error {
		if r.Verb == "get" || r.Verb == "list" {
			return nil
		}
		line := strings.TrimSpace(r.Verb + " " + r.Ref.Kind + "/" + r.Ref.Name + " " + r.Subresource)
		s.asked = append(s.asked, line)
		if line == s.refuse {
			return errors.New("refused")
		}
		return nil
	}})
	for _, kind := range []string{unit.GitRepositoryKind, unit.ExternalArtifactKind, unit.ArtifactGeneratorKind} {
		group := object.GroupSource
		if kind == unit.ArtifactGeneratorKind {
			group = object.GroupSourceExtensions
		}
		def, ok := crd.ByKind(group, kind)
		if !ok {
			t.Fatalf("no definition of %s", kind)
		}
		data, err := json.Marshal(def)
		s.must(err)
		u := &unstructured.Unstructured{}
		s.must(u.UnmarshalJSON(data))
		u.SetAPIVersion("apiextensions.k8s.io/v1")
		u.SetKind("CustomResourceDefinition")
		s.put(u)
	}
	s.create("{apiVersion: v1, kind: Namespace, metadata: {name: apps}}")
	s.restart()
	return s
}

// restart loses what the engine remembers.
func (s *stand) restart() { s.e = &engine.Engine{Trees: s.shelf, Store: s.shelf} }

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) put(u *unstructured.Unstructured) {
	s.Helper()
	_, err := s.w.Apply(s.Context(), world.Apply{Object: u, Manager: "test", Force: true})
	s.must(err)
}

func (s *stand) create(text string) {
	s.Helper()
	u := &unstructured.Unstructured{}
	s.must(yaml.Unmarshal([]byte(text), &u.Object))
	s.put(u)
}

// source makes or changes the GitRepository «repo» with an artifact.
func (s *stand) source(revision string, files map[string]string) {
	s.Helper()
	s.create("{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: repo, namespace: apps}, spec: {interval: 1m, url: 'https://example.com/repo'}}")
	t, err := tree.FromFiles(files)
	s.must(err)
	key := unit.SourceKey(unit.GitRepositoryKind, "apps", "repo", "")
	a, err := s.shelf.Put(key, revision, "x.tar.gz", t)
	s.must(err)
	s.shelf.puts = 0
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(a)
	s.must(err)
	s.status(s.get(key), map[string]any{"artifact": raw})
}

func (s *stand) status(u *unstructured.Unstructured, status map[string]any) {
	s.Helper()
	_, _, err := commit.Committer{World: s.w}.Status(s.Context(), u, status)
	s.must(err)
}

func (s *stand) get(key object.Key) *unstructured.Unstructured {
	s.Helper()
	u, err := s.w.Get(s.Context(), unit.Ref(key))
	s.must(err)
	return u
}

func (s *stand) generator(spec string) {
	s.Helper()
	s.create("{apiVersion: source.extensions.fluxcd.io/v1beta1, kind: ArtifactGenerator, metadata: {name: split, namespace: apps, finalizers: [source.extensions.fluxcd.io/finalizer]}, spec: {sources: [{alias: repo, kind: GitRepository, name: repo}], " + spec + "}}")
}

var generatorKey = object.Key{Group: object.GroupSourceExtensions, Kind: unit.ArtifactGeneratorKind, Namespace: "apps", Name: "split"}

func output(name string) object.Key {
	return unit.SourceKey(unit.ExternalArtifactKind, "apps", name, "")
}

// run converges the generator once and commits what it reports. It returns the
// report and the writes of the run itself, then «status» when that was written.
func (s *stand) run() (report.Report, []string) {
	s.Helper()
	s.asked = nil
	rep := s.e.Converge(s.Context(), s.w, s.get(generatorKey), s.now)
	asked := s.asked
	if rep.Status != nil {
		_, changed, err := commit.Committer{World: s.w}.Status(s.Context(), s.get(generatorKey), rep.Status)
		s.must(err)
		if changed {
			asked = append(asked, "status")
		}
	}
	return rep, asked
}

func (s *stand) wants(rep report.Report, ready, reason, message string) {
	s.Helper()
	if m := rep.Summary; m.Ready != ready || m.Reason != reason || !strings.Contains(m.Message, message) {
		s.Errorf("got %s %s %q, want %s %s %q", m.Ready, m.Reason, m.Message, ready, reason, message)
	}
}

func (s *stand) asks(got []string, want ...string) {
	s.Helper()
	if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); diff != "" {
		s.Errorf("writes (-want +got):\n%s", diff)
	}
}

// shows tells what an ExternalArtifact says: revision, origin, files.
func (s *stand) shows(name string) string {
	s.Helper()
	status, err := unit.StatusOf(s.get(output(name)))
	s.must(err)
	a := status.Artifact
	t, err := s.shelf.Open(s.Context(), a)
	s.must(err)
	if a.Revision == "latest@"+t.Hash().String() {
		a.Revision = "latest"
	}
	var files []string
	s.must(t.Walk(func(p string, _ *tree.Blob) error { files = append(files, p); return nil }))
	return fmt.Sprintf("%s %s %s", a.Revision, unit.OriginRevision(a), strings.Join(files, " "))
}

func (s *stand) exists(key object.Key) bool {
	_, err := s.w.Get(s.Context(), unit.Ref(key))
	return err == nil
}
