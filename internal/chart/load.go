package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helm "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/tree"
)

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// Load reads a packaged chart, its subcharts included, whatever is packed into
// it. The order of what it yields depends on nothing but the archive.
func Load(data []byte, l Limits) (*helm.Chart, error) {
	files, err := unpack(data, l)
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	return load(files)
}

// LoadTree reads the chart in a directory of a tree, without what its
// .helmignore names. Dependencies that are not there stay missing.
func LoadTree(t tree.Tree, dir string, l Limits) (*helm.Chart, error) {
	sub, err := t.Sub(dir)
	if err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	w := treeWalk{t: sub, taken: newBudget(l), matches: maxMatches}
	if err := w.rules(); err != nil {
		return nil, fmt.Errorf("load chart %s: %w", dir, err)
	}
	if err := w.walk("."); err != nil {
		return nil, fmt.Errorf("load chart %s: %w", dir, err)
	}
	return load(w.files)
}

// load lets Helm read files that are known to be harmless.
func load(files []*archive.BufferedFile) (c *helm.Chart, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("load chart: the Helm library cannot read it: %v", p)
		}
	}()
	if c, err = loader.LoadFiles(files); err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	if _, err := validated(c.Metadata); err != nil {
		return nil, fmt.Errorf("load chart: %w", err)
	}
	order(c)
	return c, nil
}

// order sorts subcharts by name and version: the library keeps them in a map.
func order(c *helm.Chart) {
	subs := slices.Clone(c.Dependencies())
	slices.SortStableFunc(subs, func(a, b *helm.Chart) int {
		if n := strings.Compare(a.Name(), b.Name()); n != 0 {
			return n
		}
		return strings.Compare(a.Metadata.Version, b.Metadata.Version)
	})
	for _, sub := range subs {
		order(sub)
	}
	c.SetDependencies(subs...)
}

// Inspect returns the metadata of a packaged chart, after a look at everything
// that would be unpacked.
func Inspect(data []byte, l Limits) (*helm.Metadata, error) {
	files, err := unpack(data, l)
	if err != nil {
		return nil, fmt.Errorf("read chart: %w", err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Data
	}
	m, err := metadata(byName[chartFile], byName[requirementsFile])
	if err != nil {
		return nil, fmt.Errorf("read chart: %w", err)
	}
	return m, nil
}

// InspectTree returns the metadata of the chart in a directory of a tree.
func InspectTree(t tree.Tree, dir string, l Limits) (*helm.Metadata, error) {
	l = l.withDefaults()
	read := func(name string) ([]byte, error) {
		p, err := tree.Join(dir, name)
		if err != nil {
			return nil, err
		}
		e := t.Lookup(p)
		switch {
		case e.Kind != tree.File && name == requirementsFile:
			return nil, nil
		case e.Kind == tree.File && e.Blob.Size > l.File:
			return nil, fmt.Errorf("%s has %d bytes, more than the limit of %d", p, e.Blob.Size, l.File)
		}
		return t.ReadFile(p)
	}
	text, err := read(chartFile)
	if err != nil {
		return nil, fmt.Errorf("read chart %s: %w", dir, err)
	}
	requirements, err := read(requirementsFile)
	if err != nil {
		return nil, fmt.Errorf("read chart %s: %w", dir, err)
	}
	m, err := metadata(text, requirements)
	if err != nil {
		return nil, fmt.Errorf("read chart %s: %w", dir, err)
	}
	return m, nil
}

func metadata(chart, requirements []byte) (*helm.Metadata, error) {
	if chart == nil {
		return nil, errors.New("there is no " + chartFile)
	}
	m := &helm.Metadata{}
	for _, text := range [][]byte{chart, requirements} {
		if err := yaml.Unmarshal(bytes.TrimPrefix(text, utf8BOM), m); err != nil {
			return nil, fmt.Errorf("cannot load %s: %w", chartFile, err)
		}
	}
	return validated(m)
}

// treeWalk collects the files of a chart's directory.
type treeWalk struct {
	t        tree.Tree
	ignore   *ignore.Rules
	patterns int // lines of .helmignore
	matches  int // of patterns with names, that may still be done
	taken    *budget
	files    []*archive.BufferedFile
}

// maxMatches bounds the files and directories of a chart times the lines of its
// .helmignore; a match takes a fraction of a microsecond.
const maxMatches = 50_000_000

// rules reads .helmignore and what Helm ignores anyway.
func (w *treeWalk) rules() error {
	w.ignore = ignore.Empty()
	if e := w.t.Lookup(ignore.HelmIgnore); e.Kind == tree.File {
		text, err := w.t.ReadFile(ignore.HelmIgnore)
		if err != nil {
			return err
		}
		if w.ignore, err = ignore.Parse(bytes.NewReader(text)); err != nil {
			return fmt.Errorf("%s: %w", ignore.HelmIgnore, err)
		}
		w.patterns = bytes.Count(text, []byte("\n"))
	}
	w.ignore.AddDefaults()
	return nil
}

func (w *treeWalk) walk(dir string) error {
	entries, err := w.t.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name)
		if w.matches -= w.patterns; w.matches < 0 {
			return fmt.Errorf("the %d lines of %s are too many for as many files; write fewer", w.patterns, ignore.HelmIgnore)
		}
		switch {
		case w.ignore.Ignore(name, info{e}):
		case e.Kind == tree.Dir:
			err = w.walk(name)
		default:
			err = w.file(name, e.Blob)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *treeWalk) file(name string, b *tree.Blob) error {
	if err := w.taken.take(name, b.Size); err != nil {
		return err
	}
	data, err := b.Read()
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	files, err := w.taken.expand(name, bytes.TrimPrefix(data, utf8BOM), 0)
	w.files = append(w.files, files...)
	return err
}

// info is an entry of a tree as the rules want to see it.
type info struct{ e tree.Entry }

// Name implements fs.FileInfo.
func (i info) Name() string { return i.e.Name }

// Size implements fs.FileInfo.
func (i info) Size() int64 {
	if i.e.Blob == nil {
		return 0
	}
	return i.e.Blob.Size
}

// Mode implements fs.FileInfo.
func (i info) Mode() fs.FileMode {
	if i.IsDir() {
		return fs.ModeDir
	}
	return 0
}

// ModTime implements fs.FileInfo.
func (info) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (i info) IsDir() bool { return i.e.Kind == tree.Dir }

// Sys implements fs.FileInfo.
func (info) Sys() any { return nil }
