package fleet

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/go-git/go-billy/v5/osfs"

	git "github.com/go-git/go-git/v5"
	"sigs.k8s.io/yaml"
)

// Branch is the one branch of the repository.
const Branch = "main"

// epoch is the time of the first commit; each later one is a minute younger.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Repository is a bare Git repository on disk that holds a fleet. It has one
// user: its methods must not run at the same time. Readers of the directory
// may, as a branch moves only once its objects are stored.
type Repository struct {
	Dir string

	fleet   Fleet
	files   map[string][]byte // of Head
	root    *folder
	store   *filesystem.Storage
	head    plumbing.Hash
	commits int
}

// CreateRepository makes a bare repository in dir, which must not exist or be
// empty, with the fleet's files as the first commit, in one pack.
func CreateRepository(dir string, f Fleet) (*Repository, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	store := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
	if _, err := git.InitWithOptions(store, nil, git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(Branch)}); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", dir, err)
	}
	r := &Repository{Dir: dir, fleet: f, files: map[string][]byte{}, root: newFolder(), store: store}
	loose := memory.NewStorage()
	if err := r.commit(loose, f.Files()); err != nil {
		return nil, err
	}
	if err := pack(loose, store); err != nil {
		return nil, fmt.Errorf("pack repository %s: %w", dir, err)
	}
	return r, r.publish()
}

// Commit adds a commit that changes these files, and moves the branch to it.
func (r *Repository) Commit(changed map[string][]byte) (revision string, err error) {
	if err := r.commit(r.store, changed); err != nil {
		return "", err
	}
	return r.Revision(), r.publish()
}

// Revision is the branch's head as Flux writes it.
func (r *Repository) Revision() string { return Branch + "@sha1:" + r.head.String() }

// Manifests are the objects in the files of app i at the head.
func (r *Repository) Manifests(i int) ([]Object, error) {
	var all []Object
	for _, p := range r.fleet.Manifests(i) {
		o := Object{}
		if err := yaml.Unmarshal(r.files[p], &o); err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		all = append(all, o)
	}
	return all, nil
}

// commit stores a commit of the files and remembers it as the head.
func (r *Repository) commit(to storer.EncodedObjectStorer, changed map[string][]byte) error {
	for p, b := range changed {
		h, err := store(to, plumbing.BlobObject, func(o plumbing.EncodedObject) error { return write(o, b) })
		if err != nil {
			return fmt.Errorf("store %s: %w", p, err)
		}
		r.files[p] = b
		r.root.set(p, h)
	}
	tree, err := r.root.store(to)
	if err != nil {
		return err
	}
	who := object.Signature{Name: "bench", Email: "bench@example.com", When: epoch.Add(time.Duration(r.commits) * time.Minute)}
	c := &object.Commit{Author: who, Committer: who, Message: fmt.Sprintf("commit %d\n", r.commits), TreeHash: tree}
	if r.commits > 0 {
		c.ParentHashes = []plumbing.Hash{r.head}
	}
	if r.head, err = store(to, plumbing.CommitObject, c.Encode); err != nil {
		return fmt.Errorf("store commit: %w", err)
	}
	r.commits++
	return nil
}

func (r *Repository) publish() error {
	ref := plumbing.NewHashReference(plumbing.NewBranchReferenceName(Branch), r.head)
	if err := r.store.SetReference(ref); err != nil {
		return fmt.Errorf("move branch %s: %w", Branch, err)
	}
	return nil
}

func store(to storer.EncodedObjectStorer, t plumbing.ObjectType, encode func(plumbing.EncodedObject) error) (plumbing.Hash, error) {
	o := to.NewEncodedObject()
	o.SetType(t)
	if err := encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return to.SetEncodedObject(o)
}

func write(o plumbing.EncodedObject, b []byte) error {
	w, err := o.Writer()
	if err != nil {
		return err
	}
	if _, err := w.Write(b); err != nil {
		return err
	}
	return w.Close()
}

// pack copies all objects into one pack file, as a server would hold them.
func pack(from *memory.Storage, to *filesystem.Storage) error {
	var all []plumbing.Hash
	for h := range from.Objects {
		all = append(all, h)
	}
	plumbing.HashesSort(all)
	read, written := io.Pipe()
	go func() {
		_, err := packfile.NewEncoder(written, from, false).Encode(all, 0)
		written.CloseWithError(err)
	}()
	return packfile.UpdateObjectStorage(to, read)
}
