package charts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/tree"
	"github.com/leat-dev/leat/internal/words"
)

// Folder is a chart repository in a directory: an index.yaml with the charts
// that it names, or packaged charts alone.
type Folder struct {
	Dir                string
	MaxIndex, MaxChart int64 // 0 for the defaults
}

// maxMirrored bounds the charts in one folder.
const maxMirrored = 10_000

// Index returns the index that stands in the folder, or one that is made of the
// charts there; the notes name those that cannot be read.
func (f Folder) Index() (Index, []string, error) {
	f = f.withDefaults()
	data, err := f.read("index.yaml", f.MaxIndex)
	var notes []string
	if errors.Is(err, fs.ErrNotExist) {
		data, notes, err = f.make()
	}
	if err != nil {
		return Index{}, nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("read mirror %s: %w", f.Dir, err)}
	}
	return Index{Digest: hash.Of(data).String(), Data: data}, notes, nil
}

func (f Folder) withDefaults() Folder {
	if f.MaxIndex == 0 {
		f.MaxIndex = chart.MaxIndex
	}
	if f.MaxChart == 0 {
		f.MaxChart = chart.MaxPacked
	}
	return f
}

// Chart returns the archive of a version: of an address elsewhere the file of
// its name.
func (f Folder) Chart(v chart.Version) ([]byte, error) {
	f = f.withDefaults()
	if len(v.URLs) == 0 {
		return nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("chart '%s' has no downloadable URLs", v.Name)}
	}
	name := v.URLs[0]
	if strings.Contains(name, "://") {
		name, _, _ = strings.Cut(name, "?")
		name = path.Base(name)
	}
	data, err := f.read(name, f.MaxChart)
	if err != nil {
		return nil, &fault.Error{Class: fault.NotFound, Err: fmt.Errorf("the mirror %s has %s %s in its index, but %w; it has %s", f.Dir, v.Name, v.Version, err, f.some())}
	}
	if have := hash.Of(data).Hex(); v.Digest != "" && have != v.Digest {
		return nil, &fault.Error{Class: fault.Corrupt, Err: fmt.Errorf("%s in the mirror %s has the digest sha256:%s, the index says sha256:%s", name, f.Dir, have, v.Digest)}
	}
	return data, nil
}

// read reads a file of the folder; links that lead out of it are not followed.
func (f Folder) read(name string, limit int64) ([]byte, error) {
	clean, err := tree.Clean(name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(clean)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is no regular file", clean), err)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", clean, limit)
	}
	return data, err
}

// made is an entry of an index that is made here.
type made struct {
	APIVersion string   `json:"apiVersion"`
	Name       string   `json:"name"`
	Version    string   `json:"version"`
	AppVersion string   `json:"appVersion,omitempty"`
	URLs       []string `json:"urls"`
	Digest     string   `json:"digest"`
}

func (f Folder) make() (index []byte, notes []string, err error) {
	names, err := f.archives()
	if err != nil {
		return nil, nil, err
	}
	entries := map[string][]made{}
	for _, name := range names {
		data, err := f.read(name, f.MaxChart)
		if err != nil {
			notes = append(notes, fmt.Sprintf("left out %s: %v", name, err))
			continue
		}
		m, err := chart.Inspect(data, chart.Limits{Packed: f.MaxChart})
		if err != nil {
			notes = append(notes, fmt.Sprintf("left out %s: %v", name, err))
			continue
		}
		entries[m.Name] = append(entries[m.Name], made{m.APIVersion, m.Name, m.Version, m.AppVersion, []string{name}, hash.Of(data).Hex()})
	}
	if len(entries) == 0 {
		return nil, notes, fmt.Errorf("there is neither an index.yaml nor a chart <name>-<version>.tgz; there is %s", f.some())
	}
	index, err = json.Marshal(map[string]any{"apiVersion": "v1", "entries": entries})
	return index, notes, err
}

// archives lists the packaged charts of the folder, sorted.
func (f Folder) archives() ([]string, error) {
	entries, err := f.list()
	var out []string
	for _, e := range entries {
		if !e.IsDir() && strings.HasSuffix(e.Name(), ".tgz") {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, err
}

func (f Folder) list() ([]os.DirEntry, error) {
	d, err := os.Open(f.Dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxMirrored)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return entries, err
}

// some names what is in the folder, not too much of it.
func (f Folder) some() string {
	entries, err := f.list()
	if err != nil {
		return "nothing"
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return words.Some(names)
}
