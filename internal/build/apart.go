package build

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Apart does what would take this process too long in another one, which it bounds in
// time and memory: that one does Work on the input.
type Apart interface {
	Build(ctx context.Context, h Heavy) ([]byte, error)
}

// Heavy is a build that is too much for this process.
type Heavy struct {
	// Namespace and Name are those of the Kustomization, empty where there is none.
	Namespace, Name string
	// ID names all that decides the outcome, but for remote bases.
	ID hash.ID
	// Why says what is much about it, for people.
	Why   string
	Input []byte
	// Questions bounds how often Answer is called.
	Questions int
	Answer    func(ctx context.Context, question []byte) ([]byte, error)
}

// tooHeavy ends an attempt that is too much for this process.
type tooHeavy struct{ why string }

// Error says why.
func (h *tooHeavy) Error() string { return "the build is too much for this process: " + h.why }

// apartPart bounds in bytes what one answer holds of a file.
const apartPart = 16 << 20

// WorkName is the name of Work among the things that such a process can do.
const WorkName = "build kustomization"

// The words between the two processes, by encoding/gob.
type (
	// apartJob is what is to be built. The files of the tree are asked for.
	apartJob struct {
		Recipe   Recipe
		Features string
		Remote   bool // remote bases may be asked for
		Tree     []apartFile
	}
	apartFile struct {
		Path string
		ID   hash.ID
		Size int64
		Mode tree.Mode
	}
	// apartQuestion asks for a remote base, or for a part of a file by its content.
	apartQuestion struct {
		URL  string
		File hash.ID
		From int64
	}
	apartRemote struct {
		ID   hash.ID
		Tree []apartFile
	}
	// apartDone is how a build ended: with an error, or with a result.
	apartDone struct {
		Result Result
		Reads  record.Set
		Err    string
	}
)

// apart has a build done elsewhere, as Run does it.
func apart(ctx context.Context, t tree.Tree, r Recipe, o Options, why string) (Result, record.Set, error) {
	key, err := r.key(o)
	if err != nil {
		return Result{}, nil, err
	}
	files, blobs := listFiles(t)
	input, err := pack(apartJob{r, o.Features, o.Remote != nil, files})
	if err != nil {
		return Result{}, nil, fmt.Errorf("hand over the build: %w", err)
	}
	s := &serving{remote: o.Remote, blobs: blobs}
	out, err := o.Apart.Build(ctx, Heavy{
		Namespace: r.OwnerNamespace, Name: r.OwnerName, ID: hash.New("build.heavy/v1").ID(key).ID(t.Hash()).Sum(),
		Why: why, Input: input, Questions: maxReads + maxRemotes + int(maxReadBytes/apartPart), Answer: s.answer,
	})
	if err != nil {
		return Result{}, nil, err
	}
	var done apartDone
	if err := gob.NewDecoder(bytes.NewReader(out)).Decode(&done); err != nil {
		return Result{}, nil, fmt.Errorf("read what was built: %w", err)
	}
	switch {
	case done.Err != "" && s.failed != nil && strings.Contains(done.Err, s.failed.Error()):
		return Result{}, done.Reads, rewrapped{done.Err, s.failed} // with the class that it has
	case done.Err != "":
		return Result{}, done.Reads, errors.New(done.Err)
	}
	if done.Result.Warnings == nil {
		done.Result.Warnings = []string{} // as here: gob has no empty lists
	}
	return done.Result, done.Reads, nil
}

// rewrapped is an error that was told by another process of one that happened here.
type rewrapped struct {
	text string
	err  error
}

func (r rewrapped) Error() string { return r.text }
func (r rewrapped) Unwrap() error { return r.err }

// serving answers the questions of a build that is done elsewhere.
type serving struct {
	remote RemoteFetcher
	blobs  map[hash.ID]*tree.Blob
	failed error // of the last remote base
}

func (s *serving) answer(ctx context.Context, question []byte) ([]byte, error) {
	var q apartQuestion
	if err := gob.NewDecoder(bytes.NewReader(question)).Decode(&q); err != nil {
		return nil, fmt.Errorf("read a question of a build: %w", err)
	}
	if q.URL == "" {
		return s.part(q)
	}
	if s.remote == nil {
		return nil, errors.New("remote bases are disabled")
	}
	t, id, err := s.remote.Fetch(ctx, q.URL)
	if s.failed = err; err != nil {
		return nil, err
	}
	files, blobs := listFiles(t)
	for id, b := range blobs {
		s.blobs[id] = b
	}
	return pack(apartRemote{id, files})
}

// part returns a part of a file that the build was told of.
func (s *serving) part(q apartQuestion) ([]byte, error) {
	b := s.blobs[q.File]
	if b == nil {
		return nil, errors.New("no such file")
	}
	data, err := b.Read()
	if err != nil {
		return nil, err
	}
	from := min(max(q.From, 0), int64(len(data)))
	return data[from:min(from+apartPart, int64(len(data)))], nil
}

func listFiles(t tree.Tree) ([]apartFile, map[hash.ID]*tree.Blob) {
	files, blobs := make([]apartFile, 0, t.Files()), make(map[hash.ID]*tree.Blob, t.Files())
	_ = t.Walk(func(p string, b *tree.Blob) error {
		files = append(files, apartFile{p, b.ID, b.Size, b.Mode})
		blobs[b.ID] = b
		return nil
	})
	return files, blobs
}

func pack(v any) ([]byte, error) {
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(v)
	return out.Bytes(), err
}

// Work does a build that was handed over by Apart, in the process that is to do it. ask
// puts a question to the one that did so.
func Work(input []byte, ask func(question []byte) ([]byte, error)) ([]byte, error) {
	var job apartJob
	if err := gob.NewDecoder(bytes.NewReader(input)).Decode(&job); err != nil {
		return nil, fmt.Errorf("read the build that was handed over: %w", err)
	}
	a := asking{ask}
	t, err := a.tree(job.Tree)
	if err != nil {
		return nil, err
	}
	o := Options{Features: job.Features}
	if job.Remote {
		o.Remote = a
	}
	var done apartDone
	if done.Result, done.Reads, err = Run(context.Background(), t, job.Recipe, o); err != nil {
		done.Err = err.Error()
	}
	return pack(done)
}

// asking has what a build reads, where it is done.
type asking struct {
	ask func([]byte) ([]byte, error)
}

func (a asking) tree(files []apartFile) (tree.Tree, error) {
	b := tree.Builder{}
	for _, f := range files {
		if err := b.Add(f.Path, tree.NewBlob(f.ID, f.Size, f.Mode, &asked{a: a, file: f})); err != nil {
			return tree.Tree{}, err
		}
	}
	return b.Tree()
}

// Fetch implements RemoteFetcher.
func (a asking) Fetch(_ context.Context, url string) (tree.Tree, hash.ID, error) {
	question, err := pack(apartQuestion{URL: url})
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	answer, err := a.ask(question)
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	var found apartRemote
	if err := gob.NewDecoder(bytes.NewReader(answer)).Decode(&found); err != nil {
		return tree.Tree{}, hash.ID{}, fmt.Errorf("read a remote base: %w", err)
	}
	t, err := a.tree(found.Tree)
	return t, found.ID, err
}

// asked is the content of a file, which is asked for once.
type asked struct {
	a    asking
	file apartFile
	data []byte
}

// Read implements tree.Content.
func (f *asked) Read() ([]byte, error) {
	if f.data != nil {
		return f.data, nil
	}
	data := []byte{}
	for more := true; more; {
		question, err := pack(apartQuestion{File: f.file.ID, From: int64(len(data))})
		if err != nil {
			return nil, err
		}
		part, err := f.a.ask(question)
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		more = len(part) == apartPart
	}
	f.data = data
	return data, nil
}
