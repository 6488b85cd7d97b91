package cli

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/grant"
)

// keyRoom is a directory of keys, and the requests of a cluster.
type keyRoom struct {
	*testing.T
	keyStore
	now      time.Time
	requests map[string]access.Request
}

func newKeyRoom(t *testing.T) *keyRoom {
	return &keyRoom{T: t, keyStore: keyStore{filepath.Join(t.TempDir(), "access")}, now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), requests: map[string]access.Request{}}
}

// key keeps one whose grant is over at the latest after a time, and returns its other half.
func (k *keyRoom) key(name string, after time.Duration) (public string) {
	k.Helper()
	public, private, err := access.NewKey()
	if err == nil {
		err = k.save(grant.Key{Name: name, Private: private, Until: k.now.Add(after)})
	}
	if err != nil {
		k.Fatal(err)
	}
	return public
}

// asked keeps a key, and its request stands so; a grant holds for a time.
func (k *keyRoom) asked(name string, phase access.Phase, holds time.Duration) {
	k.Helper()
	r := access.Request{Spec: access.RequestSpec{Key: k.key(name, time.Hour)}, Status: access.Status{Phase: phase}}
	if holds != 0 {
		r.Status.Grant = &access.Held{Until: metav1.NewTime(k.now.Add(holds))}
	}
	k.requests[name] = r
}

func (k *keyRoom) file(name, text string) {
	k.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.Fatal(err)
	}
}

func (k *keyRoom) look(name string) (access.Request, error) {
	if r, known := k.requests[name]; known {
		return r, nil
	}
	return access.Request{}, apierrors.NewNotFound(schema.GroupResource{Resource: "accessrequests"}, name)
}

func (k *keyRoom) left() string {
	k.Helper()
	found, err := os.ReadDir(k.dir)
	if err != nil {
		k.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name())
	}
	return strings.Join(names, " ")
}

// Keys that open nothing any more go, and nothing else does.
func TestKeysAreTidied(t *testing.T) {
	k := newKeyRoom(t)
	k.asked("gone-ended", access.Ended, time.Minute)
	k.asked("gone-denied", access.Denied, 0)
	k.asked("gone-past", access.Active, -time.Second) // the controller has not said so yet
	k.key("gone-forgotten", -keyMargin-time.Second)   // its request is there no more
	k.asked("kept-active", access.Active, time.Minute)
	k.asked("kept-pending", access.Pending, 0)
	k.key("kept-elsewhere", time.Hour)         // of another cluster, it may be
	k.key("kept-elsewhere-still", -time.Hour)  // within the margin
	k.asked("kept-namesake", access.Ended, -1) // another request of this name is over here
	k.requests["kept-namesake"] = access.Request{Spec: access.RequestSpec{Key: "another"}, Status: access.Status{Phase: access.Ended}}
	_, bare, err := access.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	k.file("kept-bare.key", bare+"\n") // does not say how long
	k.file("kept-pem.key", "-----BEGIN PRIVATE KEY-----\nuntil 2020-01-01T00:00:00Z\n")
	k.file("kept-notes.txt", bare+"\nuntil 2020-01-01T00:00:00Z\n")
	k.file(".kept.key", bare+"\nuntil 2020-01-01T00:00:00Z\n")
	k.file("kept-long.key", bare+"\nuntil 2020-01-01T00:00:00Z\n"+strings.Repeat("#", maxKeyFile))
	if err := os.Mkdir(filepath.Join(k.dir, "kept-directory.key"), 0o700); err != nil {
		t.Fatal(err)
	}
	other := newKeyRoom(t)
	other.asked("target", access.Ended, 0)
	k.requests["kept-link"] = other.requests["target"]
	if err := os.Symlink(filepath.Join(other.dir, "target.key"), filepath.Join(k.dir, "kept-link.key")); err != nil {
		t.Skipf("this file system has no symbolic links, which the test puts in the place of keys: %v", err)
	}
	want := slices.DeleteFunc(strings.Fields(k.left()), func(name string) bool { return strings.HasPrefix(name, "gone-") })
	for range 2 { // the second time there is nothing to do
		if err := k.tidy(k.now, k.look); err != nil {
			t.Fatal(err)
		}
		if got := k.left(); got != strings.Join(want, " ") {
			t.Errorf("left %s\nwant %s", got, strings.Join(want, " "))
		}
	}
	if got := other.left(); got != "target.key" {
		t.Errorf("what a link leads to: %q", got)
	}
	// Neither is a directory that is a link followed.
	linked := keyStore{filepath.Join(t.TempDir(), "access")}
	if err := os.Symlink(other.dir, linked.dir); err != nil {
		t.Fatal(err)
	}
	if err := linked.tidy(k.now, other.look); err != nil || other.left() != "target.key" {
		t.Errorf("through a link: %q, %v", other.left(), err)
	}
	if private, err := k.read("kept-bare"); err != nil || private != bare {
		t.Errorf("read %q, %v", private, err)
	}
	if private, err := k.read("kept-active"); err != nil || !access.Pair(k.requests["kept-active"].Spec.Key, private) {
		t.Errorf("read %q, %v", private, err)
	}
}

// Where nobody can be asked, no key goes.
func TestKeysAreKeptWhenNobodyAnswers(t *testing.T) {
	k := newKeyRoom(t)
	if err := k.tidy(k.now, k.look); err != nil { // there is no directory yet
		t.Error(err)
	}
	k.key("a", -2*keyMargin)
	why := errors.New("no route to host")
	if err := k.tidy(k.now, func(string) (access.Request, error) { return access.Request{}, why }); !errors.Is(err, why) || k.left() != "a.key" {
		t.Errorf("left %q, %v", k.left(), err)
	}
}
