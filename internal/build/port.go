package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Where things stand in the file system that kustomize sees. A relative path
// that leads above the source ends beside these and is refused.
const (
	sourceRoot = "/leat.source"
	remoteRoot = "/leat.remote"
)

// port is the file system that kustomize sees: the source, the generated
// kustomization over it, and remote trees beside it, read-only. It records what
// is asked of the source, and looks through every kustomization that passes.
type port struct {
	ctx    context.Context // of this one run; kustomize has no parameter for it
	source tree.Tree
	rec    *record.Recorder

	over     map[string][]byte // generated content by absolute path
	original map[string][]byte // what over replaced, for line numbers
	mounts   []mount           // remote trees by URL
	want     []wish            // remotes that a kustomization asked for and that are not mounted

	remotes   bool // remote bases are allowed
	exclusive bool // this attempt may bring its own schema
	ownSchema bool // a kustomization brings its own schema
	listing   bool // the kustomization lists files and asks for nothing else

	reads     map[string]int // how often files were read in this attempt
	readBytes int64          // and their sizes together
	items     int            // lines and commas of what was parsed of them
	growth    growth         // what replacements may make of them

	bound   bool   // what is too much for this process is refused
	load    load   // what it has been given
	root    string // the directory that is built
	longest int    // value of a variable, in bytes

	roles   map[string]role     // of files that a kustomization names
	edges   map[string][]string // directory → directories that its kustomization names
	named   map[string]string   // file or directory → where it is named, for errors
	invalid map[string]error    // kustomizations that kustomize will not read
	warning map[string]bool
	origins map[int]Origin // of the resources of the output, where wanted
	ignored Ignored        // nil but for Render

	undefined []Undefined // of the last attempt
	fault     error       // the first refusal; counts more than what kustomize makes of it
}

type mount struct {
	url  string
	tree tree.Tree
}

var _ filesys.FileSystem = (*port)(nil)

func newPort(ctx context.Context, t tree.Tree, rec *record.Recorder) *port {
	return &port{
		ctx: ctx, source: t, rec: rec,
		over:     make(map[string][]byte),
		original: make(map[string][]byte),
		roles:    make(map[string]role),
		edges:    make(map[string][]string),
		named:    make(map[string]string),
		invalid:  make(map[string]error),
		warning:  make(map[string]bool),
	}
}

// refuse keeps the first reason why this build cannot be.
func (p *port) refuse(err error) error {
	if p.fault == nil {
		p.fault = err
	}
	return err
}

func (p *port) warnings() []string {
	out := make([]string, 0, len(p.warning))
	for w := range p.warning {
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}

// place says where an absolute path leads: into the source or into a mount.
type place struct {
	tree     tree.Tree
	rel      string
	inSource bool
}

func (p *port) locate(name string) (place, error) {
	clean := path.Clean("/" + name)
	if rel, ok := below(sourceRoot, clean); ok {
		return place{p.source, rel, true}, nil
	}
	for i, m := range p.mounts {
		if rel, ok := below(mountPath(i), clean); ok {
			return place{m.tree, rel, false}, nil
		}
	}
	return place{}, &fs.PathError{Op: "open", Path: name, Err: errOutside}
}

var errOutside = errors.New("path leads out of the source")

func mountPath(i int) string { return fmt.Sprintf("%s/%d", remoteRoot, i) }

// below returns name relative to root, when it is root or below.
func below(root, name string) (string, bool) {
	if name == root {
		return ".", true
	}
	rest, ok := strings.CutPrefix(name, root+"/")
	return rest, ok
}

// rootOf returns the root that name stands under, which no reference from
// there may leave.
func rootOf(name string) string {
	if _, ok := below(sourceRoot, name); ok {
		return sourceRoot
	}
	rest, _ := below(remoteRoot, name)
	n, _, _ := strings.Cut(rest, "/")
	return path.Join(remoteRoot, n)
}

// display writes an absolute path of the port the way a person knows it.
func display(name string) string {
	if rel, ok := below(sourceRoot, name); ok {
		return rel
	}
	return name
}

// readable writes an error of kustomize with the paths that a person knows:
// relative to the source.
func readable(err error) error {
	return rewrite(err, sourceRoot+"/", "", "'"+sourceRoot+"'", "'.'", sourceRoot, ".")
}

// outward writes an error with the URLs of remote bases in place of their mounts.
func (p *port) outward(err error) error {
	var pairs []string
	for i, m := range slices.Backward(p.mounts) { // /10 before /1
		repo, ok := parseRepo(m.url)
		file := path.Join(mountPath(i), entry(m))
		if m.tree.Lookup(entry(m)).Kind == tree.File || !ok {
			pairs = append(pairs, file, redact(m.url))
			continue
		}
		pairs = append(pairs, mountPath(i), redact(repo.clone)+"/")
	}
	return rewrite(err, pairs...)
}

// rewritten is an error with another text.
type rewritten struct {
	text string
	err  error
}

func (r *rewritten) Error() string { return r.text }
func (r *rewritten) Unwrap() error { return r.err }

func rewrite(err error, pairs ...string) error {
	before := err.Error()
	if after := strings.NewReplacer(pairs...).Replace(before); after != before {
		return &rewritten{after, err}
	}
	return err
}

// kind asks what stands at name and records the question.
func (p *port) kind(name string) (tree.Kind, error) {
	if _, ok := p.over[name]; ok {
		return tree.File, nil
	}
	at, err := p.locate(name)
	if err != nil {
		return tree.Missing, err
	}
	kind := at.tree.Lookup(at.rel).Kind
	if at.inSource {
		p.rec.Note(record.Read{Space: record.Stat, Key: at.rel, Answer: kindID(kind)})
	}
	return kind, nil
}

// kindIDs are the answers to record.Stat; nothing there is record.Miss.
var kindIDs = [...]hash.ID{tree.File: hash.OfString("file"), tree.Dir: hash.OfString("dir")}

func kindID(k tree.Kind) hash.ID { return kindIDs[k] }

// raw returns the content at name, as it stands, and records the question.
func (p *port) raw(name string) ([]byte, error) {
	at, err := p.locate(name)
	if err != nil {
		return nil, err
	}
	e := at.tree.Lookup(at.rel)
	if at.inSource {
		p.rec.Note(record.Read{Space: record.File, Key: at.rel, Answer: fileID(e)})
	}
	if e.Kind == tree.File {
		return e.Blob.Read()
	}
	if at.inSource {
		p.rec.Note(record.Read{Space: record.Stat, Key: at.rel, Answer: kindID(e.Kind)})
	}
	if e.Kind == tree.Dir {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("no such file or directory")}
}

func fileID(e tree.Entry) hash.ID {
	if e.Kind != tree.File {
		return record.Miss
	}
	return e.ID
}

// ReadFile implements filesys.FileSystem. Files that kustomize will parse pass
// the guards first; kustomizations are looked through and may come back with
// remote references replaced by mounted ones.
func (p *port) ReadFile(name string) ([]byte, error) {
	if err := p.ctx.Err(); err != nil {
		return nil, p.refuse(err)
	}
	if much := (*tooHeavy)(nil); errors.As(p.fault, &much) {
		return nil, much
	}
	name = path.Clean("/" + name)
	data, generated := p.over[name]
	if !generated {
		var err error
		if data, err = p.raw(name); err != nil {
			if errors.Is(err, errOutside) {
				return nil, p.refuse(fmt.Errorf("read %s: %w", display(name), errOutside))
			}
			return nil, err
		}
	}
	if err := p.count(name, data); err != nil {
		return nil, p.refuse(err)
	}
	kustomization := slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(name))
	if !generated && (kustomization || p.roles[name]&parsed != 0) {
		if err := guard(display(name), data); err != nil {
			return nil, p.refuse(err)
		}
		if p.items += itemsOf(data); p.items > maxYAMLItems {
			return nil, p.refuse(fmt.Errorf("read %s: more than %d lines and list entries of YAML in one build", display(name), maxYAMLItems))
		}
		if err := p.bounded(name); err != nil {
			return nil, p.refuse(err)
		}
	}
	if p.roles[name]&plugin != 0 {
		if err := p.inspectPlugin(name, data); err != nil {
			return nil, p.refuse(err)
		}
	}
	if p.bound {
		as := p.roles[name] & parsed
		if kustomization {
			as = parsed
		}
		p.load.read(name, data, as)
	}
	if kustomization {
		var err error
		if data, err = p.inspect(name, data); err != nil {
			return nil, err
		}
	}
	return data, p.here()
}

// Exists implements filesys.FileSystem.
func (p *port) Exists(name string) bool {
	kind, err := p.kind(path.Clean("/" + name))
	return err == nil && kind != tree.Missing
}

// IsDir implements filesys.FileSystem.
func (p *port) IsDir(name string) bool {
	kind, err := p.kind(path.Clean("/" + name))
	return err == nil && kind == tree.Dir
}

// CleanedAbs implements filesys.FileSystem.
func (p *port) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	clean := path.Clean("/" + name)
	switch kind, err := p.kind(clean); {
	case err != nil:
		return "", "", p.refuse(fmt.Errorf("find %s: %w", display(clean), errOutside))
	case kind == tree.Missing:
		return "", "", fmt.Errorf("%s: no such file or directory", display(clean))
	case kind == tree.Dir:
		return filesys.ConfirmedDir(clean), "", nil
	default:
		return filesys.ConfirmedDir(path.Dir(clean)), path.Base(clean), nil
	}
}

// list returns the entries of the directory at name and records the question.
func (p *port) list(name string) ([]tree.Entry, error) {
	at, err := p.locate(name)
	if err != nil {
		return nil, err
	}
	if at.inSource {
		p.rec.Note(record.Read{Space: record.Dir, Key: at.rel, Answer: at.tree.ListingID(at.rel)})
	}
	return at.tree.ReadDir(at.rel)
}

// ReadDir implements filesys.FileSystem.
func (p *port) ReadDir(name string) ([]string, error) {
	entries, err := p.list(name)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name
	}
	return out, nil
}

// Glob implements filesys.FileSystem for patterns in the last element, which is
// more than kustomize's builds ask for.
func (p *port) Glob(pattern string) ([]string, error) {
	dir, last := path.Split(path.Clean("/" + pattern))
	names, err := p.ReadDir(dir)
	if err != nil {
		return nil, nil
	}
	var out []string
	for _, name := range names {
		ok, err := path.Match(last, name)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, path.Join(dir, name))
		}
	}
	return out, nil
}

// The rest of filesys.FileSystem is not for builds: nothing may be written, and
// kustomize's builds neither open nor walk.

// Walk implements filesys.FileSystem.
func (p *port) Walk(string, filepath.WalkFunc) error { return errors.ErrUnsupported }

// Open implements filesys.FileSystem.
func (p *port) Open(string) (filesys.File, error) { return nil, errors.ErrUnsupported }

// Create implements filesys.FileSystem.
func (p *port) Create(string) (filesys.File, error) { return nil, fs.ErrPermission }

// Mkdir implements filesys.FileSystem.
func (p *port) Mkdir(string) error { return fs.ErrPermission }

// MkdirAll implements filesys.FileSystem.
func (p *port) MkdirAll(string) error { return fs.ErrPermission }

// RemoveAll implements filesys.FileSystem.
func (p *port) RemoveAll(string) error { return fs.ErrPermission }

// WriteFile implements filesys.FileSystem.
func (p *port) WriteFile(string, []byte) error { return fs.ErrPermission }
