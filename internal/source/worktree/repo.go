package worktree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/index"
)

// repo is what Git knows of the directory.
type repo struct {
	is          bool
	branch      string
	exclude     patterns
	tracked     map[string]bool // files
	trackedDirs map[string]bool // directories that hold tracked files
}

// openRepo reads HEAD, the index and info/exclude; dir itself must hold .git.
func openRepo(dir string, cache *indexCache) (repo, error) {
	gitDir, err := findGitDir(dir)
	if err != nil || gitDir == "" {
		return repo{branch: NoBranch}, err
	}
	out := repo{is: true, branch: NoBranch}
	head, err := os.ReadFile(filepath.Join(gitDir, "HEAD"))
	if err != nil {
		return repo{}, fmt.Errorf("find the branch: %w", err)
	}
	if name, ok := strings.CutPrefix(strings.TrimSpace(string(head)), "ref: refs/heads/"); ok {
		out.branch = name
	}
	text, err := os.ReadFile(filepath.Join(commonDir(gitDir), "info", "exclude"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return repo{}, err
	}
	out.exclude = parseIgnore("", text)
	if err := cache.load(filepath.Join(gitDir, "index")); err != nil {
		return repo{}, err
	}
	out.tracked, out.trackedDirs = cache.files, cache.dirs
	return out, nil
}

// findGitDir returns "" for a directory without Git. In a linked work tree or
// a submodule .git is a file that says where (gitrepository-layout).
func findGitDir(dir string) (string, error) {
	at := filepath.Join(dir, ".git")
	fi, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case fi.IsDir():
		return at, nil
	}
	text, err := os.ReadFile(at)
	if err != nil {
		return "", err
	}
	to, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("%s is neither a directory nor a link to one", at)
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(dir, to)
	}
	return to, nil
}

// commonDir is where linked work trees share what they share.
func commonDir(gitDir string) string {
	text, err := os.ReadFile(filepath.Join(gitDir, "commondir"))
	if err != nil {
		return gitDir
	}
	to := strings.TrimSpace(string(text))
	if !filepath.IsAbs(to) {
		to = filepath.Join(gitDir, to)
	}
	return to
}

// indexCache holds the names in the index, read again when it has changed.
type indexCache struct {
	stamp stamp
	files map[string]bool
	dirs  map[string]bool
}

func (c *indexCache) load(at string) error {
	fi, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		*c = indexCache{}
		return nil
	}
	if err != nil {
		return err
	}
	// git replaces the index by a rename: a new inode or time shows each change.
	if st := stampOf(fi); st == c.stamp {
		return nil
	}
	f, err := os.Open(at)
	if err != nil {
		return err
	}
	defer f.Close()
	var idx index.Index
	if err := index.NewDecoder(f).Decode(&idx); err != nil {
		return fmt.Errorf("read Git's index: %w", err)
	}
	c.stamp = stampOf(fi)
	c.files, c.dirs = make(map[string]bool, len(idx.Entries)), map[string]bool{}
	for _, e := range idx.Entries {
		c.files[e.Name] = true
		for d := path.Dir(e.Name); d != "." && !c.dirs[d]; d = path.Dir(d) {
			c.dirs[d] = true
		}
	}
	return nil
}
