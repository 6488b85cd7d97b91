// Package build turns a directory of a source into the objects that a
// Kustomization wants, exactly as Flux's kustomize-controller would, and notes
// everything it looked at on the way.
//
//	result, reads, err := build.Run(ctx, source, build.Recipe{Path: "./apps/web"}, build.Options{})
//	for _, o := range result.Objects { … o.Ref, o.JSON … }
//
// Cache does the same and answers from memory when nothing that an earlier run
// read has changed.
//
// It must never touch the disk, the network, the environment or the clock:
// kustomize sees nothing but the given tree, and remote bases come from the
// RemoteFetcher that the caller brings.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"

	"github.com/fluxcd/pkg/apis/kustomize"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Versions of what decides the bytes of a result. A change of either makes
// every cached result stale.
const (
	engineVersion    = "build/v1"
	kustomizeVersion = "v0.21.1" // sigs.k8s.io/kustomize/api
)

// Recipe is the part of a Kustomization that decides what is built: plain data,
// equal recipes over equal reads give equal results.
type Recipe struct {
	// Path is the directory to build, relative to the root of the tree. Elements
	// that lead above the root are dropped, as securejoin does in Flux.
	Path string

	TargetNamespace         string                    `json:",omitempty"`
	NamePrefix              string                    `json:",omitempty"`
	NameSuffix              string                    `json:",omitempty"`
	Patches                 []kustomize.Patch         `json:",omitempty"`
	PatchesStrategicMerge   []apiextensionsv1.JSON    `json:",omitempty"` // v1beta1, v1beta2
	PatchesJSON6902         []kustomize.JSON6902Patch `json:",omitempty"` // v1beta1, v1beta2
	Images                  []kustomize.Image         `json:",omitempty"`
	Components              []string                  `json:",omitempty"`
	IgnoreMissingComponents bool                      `json:",omitempty"`
	BuildMetadata           []string                  `json:",omitempty"`
	CommonLabels            map[string]string         `json:",omitempty"` // spec.commonMetadata.labels
	CommonAnnotations       map[string]string         `json:",omitempty"` // spec.commonMetadata.annotations

	// Substitute holds the final variables: those of substituteFrom in order,
	// then those of substitute.
	Substitute map[string]string `json:",omitempty"`
	// SubstituteAlways runs the substitution without variables too, for the
	// defaults in the manifests (spec.postBuild.substituteStrategy: Always).
	SubstituteAlways bool `json:",omitempty"`
	// Strict makes a variable without value and without default an error.
	Strict bool `json:",omitempty"`

	// OwnerName and OwnerNamespace name the Kustomization in the owner labels;
	// no labels are set where OwnerName is empty.
	OwnerName      string `json:",omitempty"`
	OwnerNamespace string `json:",omitempty"`

	// NoRemoteBases refuses http and git resources.
	NoRemoteBases bool `json:",omitempty"`
}

// Options is what a run needs beside its recipe.
type Options struct {
	// Remote brings remote bases; nil refuses them.
	Remote RemoteFetcher
	// Apart does what would take this process too long; nil does it here.
	Apart Apart
	// Features names what else decides the result, such as feature gates. It is
	// part of the cache's key.
	Features string
}

// RemoteFetcher brings what a kustomization refers to by URL. For a git URL
// (kustomize's notation, with ?ref= and //subdirectory) it returns the whole
// repository at that ref; for another http URL a tree of exactly one file. The
// ID stands for the content in the ReadSet. Limits of size, time and address
// are the fetcher's; a fetcher should also remember, because a cache asks again
// on every lookup.
type RemoteFetcher interface {
	Fetch(ctx context.Context, url string) (tree.Tree, hash.ID, error)
}

// Object is one object of a result.
type Object struct {
	Ref  object.Ref
	JSON []byte // compact, keys sorted; shared, must not be changed
	// Dropped are the fields, as JSON pointers, that were written and that the Go
	// type of the kind does not have: Flux drops them, and so does Normalize.
	Dropped []string
}

// Decode returns the object as a value of the caller's own.
func (o Object) Decode() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		return nil, fmt.Errorf("decode %s: %w", o.Ref.Key, err)
	}
	return u, nil
}

// Result is what a build yields. It is immutable and shared between callers.
type Result struct {
	Objects  []Object // in the order in which kustomize printed them
	Warnings []string // sorted, each once
	// Undefined are the variables that became empty because nothing defines them.
	Undefined []Undefined
	// Checksum is the digest of kustomize's output after substitution and before
	// owner labels, as Flux keeps it in status.history: sha256:<64 hex digits>.
	Checksum string
	// ID names the objects and their order (the OutputID).
	ID hash.ID
}

// Run builds the recipe over t. The ReadSet holds every question put to the
// tree and to the remotes, also when the build fails. What of the recipe shows
// in errors never includes values of variables.
func Run(ctx context.Context, t tree.Tree, r Recipe, o Options) (Result, record.Set, error) {
	rec := &record.Recorder{}
	result, err := run(ctx, t, r, o, rec)
	var much *tooHeavy
	if errors.As(err, &much) {
		return apart(ctx, t, r, o, much.why)
	}
	return result, rec.Set(), err
}

func run(ctx context.Context, t tree.Tree, r Recipe, o Options, rec *record.Recorder) (Result, error) {
	p := newPort(ctx, t, rec)
	p.within(r, o)
	docs, err := p.build(ctx, r, o)
	if err != nil {
		return Result{}, p.outward(err)
	}
	result, err := finish(docs, r, p.warnings())
	result.Undefined = p.placed(p.undefined)
	return result, err
}

// build returns each resource after substitution. An attempt that
// meets a remote base or a schema of its own is repeated with what it needs.
func (p *port) build(ctx context.Context, r Recipe, o Options) ([]document, error) {
	p.remotes = !r.NoRemoteBases && o.Remote != nil
	dir, err := p.enter(r.Path)
	if err != nil {
		return nil, err
	}
	p.root = dir
	if err := generate(p, dir, r); err != nil {
		return nil, readable(err)
	}
	for {
		docs, err := p.kustomize(dir, r)
		switch {
		case p.wanted():
			if err := p.fetch(ctx, o.Remote); err != nil {
				return nil, err
			}
		case p.fault == nil && p.ownSchema && !p.exclusive:
			p.exclusive = true
		default:
			return docs, err
		}
	}
}

// enter finds the directory that the recipe names, as an absolute path of the port.
func (p *port) enter(specPath string) (string, error) {
	dir := path.Join(sourceRoot, path.Clean("/"+specPath))
	switch kind, err := p.kind(dir); {
	case err != nil:
		return "", fmt.Errorf("kustomization path not found: %w", err)
	case kind == tree.Missing:
		return "", fmt.Errorf("kustomization path not found: the source has no directory %s", display(dir))
	case kind == tree.File:
		return "", fmt.Errorf("kustomization path not found: %s is a file, want a directory", display(dir))
	}
	return dir, nil
}

// key names everything but the tree that decides the result.
func (r Recipe) key(o Options) (hash.ID, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return hash.ID{}, fmt.Errorf("hash recipe: %w", err)
	}
	rec := hash.New(engineVersion).Str(kustomizeVersion).Str(o.Features).Bytes(text)
	if o.Remote == nil {
		rec.Str("no remote")
	}
	return rec.Sum(), nil
}
