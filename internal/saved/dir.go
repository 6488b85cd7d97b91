// Package saved keeps values in files between processes: what took long to find
// out, and can be found out again. Whoever reads must get along without.
//
//	dir := saved.Open(filepath.Join(cache, "plan"), saved.Limits{})
//	if data, ok := dir.Load(id); ok { err := saved.Decode(data, &value) }
//	data, err := saved.Encode(value)
//	err = dir.Store(id, data)
//
// The id says all that the value depends on. Files are encrypted with a key of the
// directory and of the id, so that whoever reads one elsewhere, in a backup, reads
// nothing; and a file that is not whole, or is another's, does not open and counts
// as missing. Several processes may use a directory at once.
package saved

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/hash"
)

// Limits bound a directory; zero fields stand for the defaults.
type Limits struct {
	Bytes int64 // of all files together
	Files int
	File  int64 // of one file, in bytes
}

// The default limits: a few states of a few large fleets.
const (
	defaultBytes = 512 << 20
	defaultFiles = 64
	defaultFile  = 256 << 20
)

// abandoned is how old a file is that somebody began to write and never finished.
const abandoned = time.Hour

// magic begins every file; it changes with its form.
const magic = "leat saved 1\n"

const (
	keyFile   = "key"
	suffix    = ".saved"
	unwhole   = ".tmp-"
	keySize   = 32
	nameBytes = 16
)

// Dir is a directory of values. It is safe for concurrent use.
type Dir struct {
	path   string
	limits Limits
}

// Open returns the directory at a path; it is made when something is stored.
func Open(path string, l Limits) *Dir {
	if l.Bytes == 0 {
		l.Bytes = defaultBytes
	}
	if l.Files == 0 {
		l.Files = defaultFiles
	}
	if l.File == 0 {
		l.File = defaultFile
	}
	return &Dir{path, l}
}

// Load returns what was stored under an id; false where there is nothing that can
// be read, for whatever reason.
func (d *Dir) Load(id hash.ID) ([]byte, bool) {
	key, err := os.ReadFile(filepath.Join(d.path, keyFile))
	if err != nil || len(key) != keySize {
		return nil, false
	}
	name, seal, err := derive(key, id)
	if err != nil {
		return nil, false
	}
	file := filepath.Join(d.path, name)
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Size() > d.limits.File {
		return nil, false
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, false
	}
	body, ok := strings.CutPrefix(string(data[:min(len(data), len(magic))]), magic)
	if !ok || body != "" || len(data) < len(magic)+seal.NonceSize() {
		return nil, false
	}
	nonce, sealed := data[len(magic):len(magic)+seal.NonceSize()], data[len(magic)+seal.NonceSize():]
	plain, err := seal.Open(sealed[:0], nonce, sealed, []byte(magic))
	if err != nil {
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(file, now, now) // it was of use; where that cannot be said it goes earlier
	return plain, true
}

// Store keeps data under an id, in the place of what was there, and makes room
// for it.
func (d *Dir) Store(id hash.ID, data []byte) error {
	if int64(len(data)) > d.limits.File {
		return fmt.Errorf("keep %d bytes in %s: at most %d are kept", len(data), d.path, d.limits.File)
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	key, err := d.key()
	if err != nil {
		return err
	}
	name, seal, err := derive(key, id)
	if err != nil {
		return err
	}
	out := append([]byte(magic), make([]byte, seal.NonceSize())...)
	_, _ = rand.Read(out[len(magic):]) // never fails
	out = seal.Seal(out, out[len(magic):], data, []byte(magic))
	if err := d.write(name, out, os.Rename); err != nil {
		return err
	}
	return d.evict(name)
}

// write makes a file whole under another name, and then gives it its own.
func (d *Dir) write(name string, data []byte, place func(from, to string) error) error {
	tmp, err := os.CreateTemp(d.path, unwhole)
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return place(tmp.Name(), filepath.Join(d.path, name))
}

// key reads the key of the directory, or makes it: of two who make it at once one
// is first, and both use that.
func (d *Dir) key() ([]byte, error) {
	at := filepath.Join(d.path, keyFile)
	for range 2 {
		key, err := os.ReadFile(at)
		switch {
		case err == nil && len(key) == keySize:
			return key, nil
		case err == nil: // damaged, and with it all files
			if err := os.Remove(at); err != nil {
				return nil, err
			}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		fresh := make([]byte, keySize)
		_, _ = rand.Read(fresh) // never fails
		if err := d.write(keyFile, fresh, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	key, err := os.ReadFile(at)
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("the key %s has %d bytes, want %d; remove it", at, len(key), keySize)
	}
	return key, err
}

// derive returns the name of an id's file, which tells nothing of the id, and what
// encrypts it.
func derive(key []byte, id hash.ID) (name string, seal cipher.AEAD, err error) {
	out, err := hkdf.Key(sha256.New, key, nil, magic+id.Hex(), nameBytes+keySize)
	if err != nil {
		return "", nil, err
	}
	block, err := aes.NewCipher(out[nameBytes:])
	if err != nil {
		return "", nil, err
	}
	seal, err = cipher.NewGCM(block)
	return fmt.Sprintf("%x%s", out[:nameBytes], suffix), seal, err
}

// evict removes the files that were of no use for longest, but for the one that
// was just written.
func (d *Dir) evict(but string) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	var all []fs.FileInfo
	var bytes int64
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil: // another process was faster
		case strings.HasPrefix(e.Name(), unwhole) && time.Since(info.ModTime()) > abandoned:
			_ = os.Remove(filepath.Join(d.path, e.Name()))
		case strings.HasSuffix(e.Name(), suffix):
			bytes += info.Size()
			if e.Name() != but {
				all = append(all, info)
			}
		}
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for n := len(all) + 1; len(all) > 0 && (bytes > d.limits.Bytes || n > d.limits.Files); n-- {
		if err := os.Remove(filepath.Join(d.path, all[0].Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		bytes -= all[0].Size()
		all = all[1:]
	}
	return nil
}
