package saved

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/hash"
)

var one, other = hash.OfString("one"), hash.OfString("other")

func store(t *testing.T, d *Dir, id hash.ID, text string) {
	t.Helper()
	if err := d.Store(id, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// holds compares what is kept under an id; "" is nothing.
func holds(t *testing.T, d *Dir, id hash.ID, want string) {
	t.Helper()
	if got, ok := d.Load(id); string(got) != want || ok != (want != "") {
		t.Errorf("got %q, %t, want %q", got, ok, want)
	}
}

// file is the only value in a directory.
func file(t *testing.T, path string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(path, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v, want one file", found, err)
	}
	return found[0]
}

func TestDirKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := Open(path, Limits{})
	holds(t, d, one, "")
	store(t, d, one, "the first")
	store(t, d, other, "the second")
	store(t, d, one, "the first, again")
	again := Open(path, Limits{})
	holds(t, again, one, "the first, again")
	holds(t, again, other, "the second")
}

func TestFilesAreTheUsersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan")
	store(t, Open(path, Limits{}), one, "a canary that nobody may read")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v, want 0700", info.Mode(), err)
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %v, %v, want the key and a file", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want 0600", e.Name(), info.Mode(), err)
		}
		text, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil || bytes.Contains(text, []byte("canary")) || strings.Contains(e.Name(), one.Hex()[:8]) {
			t.Errorf("%s tells what it holds: %v", e.Name(), err)
		}
	}
}

// A file that is not whole, or not what it should be, is no file, and is replaced.
func TestDamagedIsMissing(t *testing.T) {
	damage := map[string]func(t *testing.T, path, name string){
		"empty":     func(t *testing.T, _, name string) { write(t, name, nil) },
		"truncated": func(t *testing.T, _, name string) { write(t, name, read(t, name)[:40]) },
		"cut":       func(t *testing.T, _, name string) { data := read(t, name); write(t, name, data[:len(data)-1]) },
		"longer":    func(t *testing.T, _, name string) { write(t, name, append(read(t, name), 0)) },
		"another version": func(t *testing.T, _, name string) {
			write(t, name, bytes.Replace(read(t, name), []byte("saved 1"), []byte("saved 0"), 1))
		},
		"another's":     func(t *testing.T, path, name string) { swap(t, path, name) },
		"no key":        func(t *testing.T, path, _ string) { remove(t, filepath.Join(path, keyFile)) },
		"another key":   func(t *testing.T, path, _ string) { write(t, filepath.Join(path, keyFile), make([]byte, keySize)) },
		"half a key":    func(t *testing.T, path, _ string) { write(t, filepath.Join(path, keyFile), make([]byte, 3)) },
		"is a folder":   func(t *testing.T, _, name string) { remove(t, name); folder(t, name) },
		"a broken link": func(t *testing.T, _, name string) { remove(t, name); link(t, name) },
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			d := Open(path, Limits{})
			store(t, d, one, "something of some length, to be damaged")
			f(t, path, file(t, path))
			holds(t, d, one, "")
			if name == "is a folder" {
				return // somebody means it
			}
			store(t, d, one, "again")
			holds(t, d, one, "again")
		})
	}
}

func TestEveryFlippedByteIsMissing(t *testing.T) {
	path := t.TempDir()
	d := Open(path, Limits{})
	store(t, d, one, "text")
	name := file(t, path)
	whole := read(t, name)
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x40
		write(t, name, bad)
		holds(t, d, one, "")
	}
	write(t, name, whole)
	holds(t, d, one, "text")
}

func TestOldestGoesFirst(t *testing.T) {
	d := Open(t.TempDir(), Limits{Files: 3})
	ids := []hash.ID{hash.OfString("0"), hash.OfString("1"), hash.OfString("2"), hash.OfString("3")}
	for i, id := range ids[:3] {
		store(t, d, id, "x")
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(nameOf(t, d, id), at, at); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, d, ids[0], "x") // it is of use, and stays
	store(t, d, ids[3], "x")
	for i, want := range []string{"x", "", "x", "x"} {
		holds(t, d, ids[i], want)
	}
}

func TestTooMuchIsNotKept(t *testing.T) {
	d := Open(t.TempDir(), Limits{File: 10, Bytes: 200})
	if err := d.Store(one, make([]byte, 11)); err == nil {
		t.Error("more was kept than one file may hold")
	}
	for i := range 10 {
		store(t, Open(d.path, Limits{Bytes: 200}), hash.OfString(fmt.Sprint(i)), "some text")
	}
	if found, _ := filepath.Glob(filepath.Join(d.path, "*"+suffix)); len(found) > 4 {
		t.Errorf("%d files stand in 200 bytes", len(found))
	}
}

func TestAbandonedFilesGo(t *testing.T) {
	path := t.TempDir()
	old, young := filepath.Join(path, unwhole+"1"), filepath.Join(path, unwhole+"2")
	write(t, old, nil)
	write(t, young, nil)
	at := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(old, at, at); err != nil {
		t.Fatal(err)
	}
	store(t, Open(path, Limits{}), one, "x")
	if _, err := os.Stat(old); err == nil {
		t.Error("a file that was abandoned is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("a file that somebody writes is gone")
	}
}

func TestDirThatCannotBeWritten(t *testing.T) {
	at := filepath.Join(t.TempDir(), "file")
	write(t, at, nil)
	d := Open(filepath.Join(at, "plan"), Limits{})
	if err := d.Store(one, []byte("x")); err == nil {
		t.Error("something was stored below a file")
	}
	holds(t, d, one, "")
}

// Whoever writes at once, all agree on a key, and what is read is whole.
func TestManyAtOnce(t *testing.T) {
	path := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			d := Open(path, Limits{}) // as another process has one
			for j := range 20 {
				if err := d.Store(one, bytes.Repeat([]byte{byte('a' + i)}, 1000+j)); err != nil {
					t.Error(err)
				}
				data, ok := d.Load(one)
				if !ok || len(data) < 1000 || len(bytes.Trim(data, string(data[:1]))) > 0 {
					t.Errorf("got %d bytes, %t, want one whole value", len(data), ok)
				}
			}
		})
	}
	all.Wait()
	if left, _ := filepath.Glob(filepath.Join(path, unwhole+"*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func nameOf(t *testing.T, d *Dir, id hash.ID) string {
	t.Helper()
	name, _, err := derive(read(t, filepath.Join(d.path, keyFile)), id)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(d.path, name)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, name string) {
	t.Helper()
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, name string) {
	t.Helper()
	if err := os.Symlink("nowhere", name); err != nil {
		t.Fatal(err)
	}
}

// swap puts the file of another id in the place of this one.
func swap(t *testing.T, path, name string) {
	t.Helper()
	d := Open(path, Limits{})
	store(t, d, other, "the other")
	from := nameOf(t, d, other)
	write(t, name, read(t, from))
	remove(t, from)
}
