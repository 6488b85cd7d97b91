package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/grant"
)

// keyStore keeps the keys of requests, a file for each: the private key, and a line that
// says when the grant is over at the latest.
//
//	q83v…=
//	until 2026-11-22T06:30:00Z
type keyStore struct{ dir string }

const (
	keySuffix = ".key"
	untilWord = "until "
	// maxKeyFile bounds a file that is read for a key, in bytes.
	maxKeyFile = 1 << 10
	// maxTidied bounds how many files one run looks at: each may ask the API server.
	maxTidied = 50
	// keyMargin is how long a key is kept beyond its last line, for clocks and for a
	// policy that lets requests wait longer by now.
	keyMargin = 24 * time.Hour
)

// accessKeys are those of this user.
func accessKeys() (keyStore, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return keyStore{}, fmt.Errorf("find a place for keys: %w", err)
	}
	return keyStore{filepath.Join(dir, "leat", "access")}, nil
}

// isRequestName tells whether a name can be that of a request and of a file.
func isRequestName(name string) bool {
	return name != "" && !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, ".")
}

func (k keyStore) path(name string) (string, error) {
	if !isRequestName(name) {
		return "", usage("%q is no name of a request", name)
	}
	return filepath.Join(k.dir, name+keySuffix), nil
}

func (k keyStore) save(key grant.Key) error {
	path, err := k.path(key.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("keep the key: %w", err)
	}
	if err := os.Chmod(k.dir, 0o700); err != nil {
		return fmt.Errorf("keep the key: %w", err)
	}
	text := key.Private + "\n" + untilWord + key.Until.UTC().Format(time.RFC3339) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("keep the key: %w", err)
	}
	return nil
}

func (k keyStore) read(name string) (string, error) {
	path, err := k.path(name)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s: only who asked, on the machine where they did, can use %s", path, name)
	}
	private, _ := parseKeyFile(text)
	return private, err
}

// parseKeyFile reads what save wrote; until is zero where the file does not say it.
func parseKeyFile(text []byte) (private string, until time.Time) {
	private, rest, _ := strings.Cut(string(text), "\n")
	if said, is := strings.CutPrefix(rest, untilWord); is {
		until, _ = time.Parse(time.RFC3339, strings.TrimSpace(said))
	}
	return strings.TrimSpace(private), until
}

// tidyKeys removes the keys of this user that open nothing any more. What goes wrong is
// a warning: whoever runs a verb wants something else.
func tidyKeys(ctx context.Context, say io.Writer, people grant.People) {
	keys, err := accessKeys()
	if err == nil {
		err = keys.tidy(time.Now(), func(name string) (access.Request, error) { return people.Get(ctx, name) })
	}
	if err != nil {
		fmt.Fprintf(say, "warning: keys of grants that are over may be left: %v\n", err)
	}
}

// tidy removes the keys that open nothing any more: those whose request, as look finds
// it, is over, and those of requests that are not there and whose own time is over. Only
// files that save wrote are touched, and no link is followed: neither one in the
// directory, nor the directory where it is one.
func (k keyStore) tidy(now time.Time, look func(name string) (access.Request, error)) error {
	if info, err := os.Lstat(k.dir); err != nil || !info.IsDir() {
		return nil //nolint:nilerr // nothing was asked for here yet
	}
	root, err := os.OpenRoot(k.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	found, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	looked := 0
	for _, file := range found {
		name, is := strings.CutSuffix(file.Name(), keySuffix)
		if !is || !isRequestName(name) {
			continue
		}
		private, until, ok := readKey(root, file.Name())
		if !ok {
			continue
		}
		if looked++; looked > maxTidied {
			return nil // the next run goes on
		}
		r, err := look(name)
		switch {
		case err == nil && access.Pair(r.Spec.Key, private):
			if !r.Spent(now) {
				continue
			}
		case err != nil && !apierrors.IsNotFound(err):
			return err
		case until.IsZero() || now.Before(until.Add(keyMargin)): // of another cluster, it may be
			continue
		}
		if err := root.Remove(file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readKey reads a key that save wrote; false for any other file.
func readKey(root *os.Root, name string) (private string, until time.Time, ok bool) {
	is, err := root.Lstat(name)
	if err != nil || !is.Mode().IsRegular() || is.Size() > maxKeyFile {
		return "", until, false
	}
	file, err := root.Open(name)
	if err != nil {
		return "", until, false
	}
	defer file.Close()
	opened, err := file.Stat()
	if err != nil || !os.SameFile(is, opened) { // it became a link meanwhile
		return "", until, false
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return "", until, false
	}
	private, until = parseKeyFile(text)
	return private, until, access.IsKey(private)
}
