package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/leat-dev/leat/internal/tree"
)

// Artifact is what an object's status.artifact says; the fields are those of
// Flux's meta.Artifact.
type Artifact struct {
	Path           string // <kind>/<namespace>/<name>/<file>
	URL            string
	Revision       string
	Digest         string // sha256:<64 hex digits>
	LastUpdateTime time.Time
	Size           int64 // in bytes
	Metadata       map[string]string
}

// Key names the object that an artifact belongs to.
type Key struct{ Kind, Namespace, Name string }

// Dir returns <kind>/<namespace>/<name>, the kind in lower case.
func (k Key) Dir() (string, error) {
	for _, part := range []string{k.Kind, k.Namespace, k.Name} {
		if err := checkName(part); err != nil {
			return "", fmt.Errorf("artifact of %s %s/%s: %w", k.Kind, k.Namespace, k.Name, err)
		}
	}
	return path.Join(strings.ToLower(k.Kind), k.Namespace, k.Name), nil
}

// checkName refuses what is no plain name of a file: hidden names are ours.
func checkName(s string) error {
	if s == "" || s[0] == '.' || strings.ContainsAny(s, "/\\\x00") {
		return fmt.Errorf("%q cannot name a file", s)
	}
	return nil
}

// Retention bounds what is kept beside the current artifact of an object.
type Retention struct {
	TTL     time.Duration // older files go
	Records int           // more files than these go, the oldest first
}

// DefaultRetention is that of Flux.
var DefaultRetention = Retention{TTL: 60 * time.Second, Records: 2}

// Options of a Store. The zero value is usable but for Host.
type Options struct {
	Host      string           // host[:port], or http(s)://host, under which the store is reached
	Retention Retention        // zero for DefaultRetention
	Now       func() time.Time // nil for the clock
	Client    *http.Client     // fetches artifacts of others; nil for one of its own
	Wait      Waiter           // between tries; nil for a timer
}

// Store keeps artifacts in a directory. It may be used by several goroutines.
type Store struct {
	root  *os.Root
	o     Options
	trees *trees
	temps atomic.Int64
}

// tempDir holds files that are being written. It is on the same file system,
// so that a rename is atomic, and hidden, so that it is never served.
const tempDir = ".tmp"

// NewStore opens the store in dir, which it makes when it is not there. Files
// that a crash left half written are removed.
func NewStore(dir string, o Options) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	if err := errors.Join(root.RemoveAll(tempDir), root.Mkdir(tempDir, 0o700)); err != nil {
		return nil, fmt.Errorf("open artifact store: %w", err)
	}
	if o.Retention == (Retention{}) {
		o.Retention = DefaultRetention
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Wait == nil {
		o.Wait = timerWait
	}
	return &Store{root: root, o: o, trees: newTrees()}, nil
}

// Close releases the directory.
func (s *Store) Close() error { return s.root.Close() }

// Put stores t as the archive file of the object key, replacing an older file
// of that name, and remembers t for Open. A tree that is stored already under
// another name is copied, not compressed again.
func (s *Store) Put(key Key, revision, file string, t tree.Tree) (Artifact, error) {
	art, ok := s.copy(key, revision, file, t)
	if !ok {
		var err error
		art, err = s.write(key, revision, file, func(w io.Writer) (Sum, error) { return Archive(w, t) })
		if err != nil {
			return Artifact{}, err
		}
	}
	s.trees.add(art.Digest, t, art.Path)
	return art, nil
}

func (s *Store) copy(key Key, revision, file string, t tree.Tree) (Artifact, bool) {
	p, ok := s.trees.stored(t.Hash())
	if !ok {
		return Artifact{}, false
	}
	f, err := s.root.Open(p)
	if err != nil {
		return Artifact{}, false
	}
	defer f.Close()
	art, err := s.copyFrom(key, revision, file, f)
	return art, err == nil && s.trees.is(art.Digest, t.Hash())
}

func (s *Store) copyFrom(key Key, revision, file string, r io.Reader) (Artifact, error) {
	return s.write(key, revision, file, func(w io.Writer) (Sum, error) {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, h), r)
		return Sum{"sha256:" + hex.EncodeToString(h.Sum(nil)), n}, err
	})
}

func (s *Store) write(key Key, revision, file string, fill func(io.Writer) (Sum, error)) (Artifact, error) {
	dir, err := key.Dir()
	if err != nil {
		return Artifact{}, err
	}
	if err := checkName(file); err != nil {
		return Artifact{}, fmt.Errorf("artifact of %s: %w", dir, err)
	}
	p := path.Join(dir, file)
	sum, err := s.replace(p, fill)
	if err != nil {
		return Artifact{}, fmt.Errorf("store artifact %s: %w", p, err)
	}
	return Artifact{
		Path: p, URL: s.URL(p), Revision: revision,
		Digest: sum.Digest, Size: sum.Size, LastUpdateTime: s.o.Now(),
	}, nil
}

// replace makes the file at p appear complete or not at all.
func (s *Store) replace(p string, fill func(io.Writer) (Sum, error)) (Sum, error) {
	temp := s.temp()
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Sum{}, err
	}
	defer s.root.Remove(temp) // fails after the rename
	sum, err := fill(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return Sum{}, err
	}
	if err := s.root.MkdirAll(path.Dir(p), 0o700); err != nil {
		return Sum{}, err
	}
	return sum, s.root.Rename(temp, p)
}

// temp returns the name of a file that is made for a while; nobody else gets it.
func (s *Store) temp() string { return path.Join(tempDir, strconv.FormatInt(s.temps.Add(1), 36)) }

// Link makes <dir of key>/<name> a link to the file of art, which belongs to
// key. Charts and indexes have such links.
func (s *Store) Link(key Key, name string, art Artifact) (url string, err error) {
	dir, err := key.Dir()
	if err != nil {
		return "", err
	}
	if path.Dir(art.Path) != dir || checkName(name) != nil {
		return "", fmt.Errorf("link %s/%s to %s: not of the same object", dir, name, art.Path)
	}
	temp := path.Join(dir, "."+name+"."+strconv.FormatInt(s.temps.Add(1), 36))
	if err := s.root.Symlink(path.Base(art.Path), temp); err != nil {
		return "", fmt.Errorf("link %s/%s: %w", dir, name, err)
	}
	p := path.Join(dir, name)
	if err := s.root.Rename(temp, p); err != nil {
		return "", errors.Join(fmt.Errorf("link %s: %w", p, err), s.root.Remove(temp))
	}
	return s.URL(p), nil
}

// URL returns the address of the file at p.
func (s *Store) URL(p string) string {
	if strings.HasPrefix(s.o.Host, "http://") || strings.HasPrefix(s.o.Host, "https://") {
		return s.o.Host + "/" + p
	}
	return "http://" + s.o.Host + "/" + p
}

// ErrMissing and ErrCorrupt say that an artifact must be stored anew.
var (
	ErrMissing = errors.New("the artifact is not in the storage")
	ErrCorrupt = errors.New("the stored artifact does not have its digest")
)

// Verify reads the file of a again and compares its digest.
func (s *Store) Verify(a Artifact) error {
	want, err := parseDigest(a.Digest)
	if err != nil {
		return err
	}
	f, err := s.open(a.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := want.new()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("verify artifact %s: %w", a.Path, err)
	}
	if !bytes.Equal(h.Sum(nil), want.sum) {
		return fmt.Errorf("verify artifact %s: %w", a.Path, ErrCorrupt)
	}
	return nil
}

func (s *Store) open(p string) (*os.File, error) {
	if p == "" || hidden(p) {
		return nil, fmt.Errorf("open artifact %q: %w", p, ErrMissing)
	}
	f, err := s.root.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open artifact %s: %w", p, ErrMissing)
	}
	if err != nil {
		return nil, fmt.Errorf("open artifact %s: %w", p, err)
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("open artifact %s: no regular file: %w", p, ErrMissing), err, f.Close())
	}
	return f, nil
}

// Remove deletes one file, RemoveAll everything of an object. What is not
// there is no error.
func (s *Store) Remove(a Artifact) error {
	if hidden(a.Path) {
		return nil
	}
	if err := s.root.Remove(a.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove artifact: %w", err)
	}
	s.trees.drop(a.Path)
	return nil
}

// RemoveAll deletes the directory of an object that is gone.
func (s *Store) RemoveAll(key Key) error {
	dir, err := key.Dir()
	if err != nil {
		return err
	}
	if err := s.root.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove artifacts: %w", err)
	}
	s.trees.dropUnder(dir + "/")
	return nil
}
