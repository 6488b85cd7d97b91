package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/source/git/wire"
)

// A remote's directory holds one store per generation. A new generation begins
// when the old one is damaged or has grown untidy; the old one stays on disk
// until no tree reads from it any more.
const generationPrefix = "g"

// maxLoose and maxPacks are how many files of objects a store may gather: at
// one small commit every ten minutes that takes some weeks.
const (
	maxLoose = 20_000
	maxPacks = 50
)

// openGeneration opens the last generation in a remote's directory and removes
// those before it, from which nobody reads in this process.
func openGeneration(dir string) (*store, error) {
	numbers := generations(dir)
	last := 0
	if n := len(numbers); n > 0 {
		last = numbers[n-1]
		for _, old := range numbers[:n-1] {
			os.RemoveAll(generationDir(dir, old)) // what stays is removed next time
		}
	}
	return openStore(generationDir(dir, last))
}

func generationDir(dir string, n int) string {
	return filepath.Join(dir, generationPrefix+strconv.Itoa(n))
}

func generations(dir string) (numbers []int) {
	entries, _ := os.ReadDir(dir) // not there yet: none
	for _, e := range entries {
		text, ok := strings.CutPrefix(e.Name(), generationPrefix)
		if n, err := strconv.Atoi(text); ok && err == nil && n >= 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// nextGeneration is the number of the one that comes after those that are there.
func nextGeneration(dir string) int {
	numbers := generations(dir)
	if n := len(numbers); n > 0 {
		return numbers[n-1] + 1
	}
	return 0
}

// renew begins a new generation with one commit, alone and fetched anew.
func (r *Remote) renew(ctx context.Context, t Target) error {
	return r.inTurn(ctx, func() error { return r.renewNow(ctx, t) })
}

func (r *Remote) renewNow(ctx context.Context, t Target) error {
	old := r.objects()
	dir := filepath.Dir(old.dir)
	st, err := openStore(generationDir(dir, nextGeneration(dir)))
	if err != nil {
		return fmt.Errorf("renew the local copy: %w", err)
	}
	// Others go on with the old one until this one is whole.
	if err := r.receive(ctx, st, wire.Request{Wants: []Hash{t.Object}, Depth: 1}, []Target{t}); err != nil {
		return errors.Join(err, os.RemoveAll(st.dir))
	}
	r.st.Store(st)
	runtime.AddCleanup(old, func(dir string) { os.RemoveAll(dir) }, old.dir)
	return nil
}

// untidy tells whether a store has gathered too many files.
func (st *store) untidy() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.loose > maxLoose || st.packs > maxPacks
}

// count looks how many files of objects there are.
func (st *store) count() {
	dirs, _ := filepath.Glob(filepath.Join(st.dir, "objects", "??"))
	for _, d := range dirs {
		files, _ := os.ReadDir(d)
		st.loose += len(files)
	}
	packs, _ := filepath.Glob(filepath.Join(st.dir, "objects", "pack", "*.pack"))
	st.packs = len(packs)
}
