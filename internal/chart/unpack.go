package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"helm.sh/helm/v4/pkg/chart/loader/archive"

	"github.com/leat-dev/leat/internal/tree"
)

// budget is what may still be taken of a chart. Archives within an archive
// spend of the same one.
type budget struct {
	Limits
	files int
	bytes int64
}

func newBudget(l Limits) *budget {
	l = l.withDefaults()
	return &budget{Limits: l, files: l.Files, bytes: l.Bytes}
}

// take spends a file.
func (b *budget) take(name string, size int64) error {
	b.files--
	b.bytes -= size
	switch {
	case size < 0 || size > b.File:
		return fmt.Errorf("the file %q has %d bytes, more than the limit of %d; raise --helm-chart-file-max-size or leave it out by .helmignore", name, size, b.File)
	case b.files < 0:
		return fmt.Errorf("the chart has more than %d files", b.Files)
	case b.bytes < 0:
		return fmt.Errorf("the chart has more than %d bytes unpacked", b.Bytes)
	}
	return nil
}

func unpack(data []byte, l Limits) ([]*archive.BufferedFile, error) {
	b := newBudget(l)
	if int64(len(data)) > b.Packed {
		return nil, fmt.Errorf("the archive has %d bytes, more than the limit of %d; raise --helm-chart-max-size", len(data), b.Packed)
	}
	return b.unpack(data, 0)
}

// unpack reads the files of an archive under the names that they have within
// the chart. Nothing in it is a link, or two things under one name.
func (b *budget) unpack(data []byte, depth int) ([]*archive.BufferedFile, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("charts are packed into charts more than %d deep", maxDepth)
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not a gzip archive: %w", err)
	}
	// Beyond the files: a header and padding for each, and those of long names.
	stream := &io.LimitedReader{R: zr, N: b.bytes + int64(b.files+1)*4096}
	tr := tar.NewReader(stream)
	var files []*archive.BufferedFile
	seen := map[string]bool{}
	for {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			if len(files) == 0 {
				return nil, errors.New("there are no files in the archive")
			}
			return files, nil
		case err != nil && stream.N <= 0:
			return nil, fmt.Errorf("the chart has more than %d bytes unpacked", b.Bytes)
		case err != nil:
			return nil, fmt.Errorf("broken archive: %w", err)
		}
		more, err := b.entry(h, tr, seen, depth)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
}

// entry reads one entry: no file for directories and links, several for a
// packed subchart.
func (b *budget) entry(h *tar.Header, body io.Reader, seen map[string]bool, depth int) ([]*archive.BufferedFile, error) {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeGNUSparse: //nolint:staticcheck // old archives use TypeRegA
	default:
		return nil, b.take(h.Name, 0) // directories, links, devices, headers of their own
	}
	name, err := inner(h.Name)
	if err != nil {
		return nil, err
	}
	if seen[name] {
		return nil, fmt.Errorf("the file %q stands there twice", name)
	}
	seen[name] = true
	if err := b.take(h.Name, h.Size); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(body, h.Size+1))
	if err != nil {
		return nil, fmt.Errorf("broken archive: %q: %w", name, err)
	}
	return b.expand(name, bytes.TrimPrefix(data, utf8BOM), depth)
}

// expand returns a file, or, where it is a packed subchart, the files in that:
// so that all of them are counted before the library sees them.
func (b *budget) expand(name string, data []byte, depth int) ([]*archive.BufferedFile, error) {
	if !isSubchart(name) {
		return []*archive.BufferedFile{{Name: name, Data: data}}, nil
	}
	files, err := b.unpack(data, depth+1)
	if err != nil {
		return nil, fmt.Errorf("subchart %s: %w", name, err)
	}
	for _, f := range files {
		f.Name = name + ".d/" + f.Name // a directory that no other archive has
	}
	return files, nil
}

// isSubchart tells whether the library would unpack a file: charts/x.tgz, at any
// depth. It passes over names that begin with a dot or an underscore.
func isSubchart(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts)%2 != 0 || path.Ext(name) != ".tgz" {
		return false
	}
	for i := 0; i < len(parts); i += 2 {
		if parts[i] != chartsDir || strings.IndexAny(parts[i+1], "_.") == 0 {
			return false
		}
	}
	return true
}

var drive = regexp.MustCompile(`^[a-zA-Z]:/`)

// inner returns the name of an entry within its chart: what follows the first
// directory. Archives made on Windows may have backslashes.
func inner(name string) (string, error) {
	if len(name) > tree.MaxPath || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return "", fmt.Errorf("the name %.60q is too long or no text", name)
	}
	slashed := strings.ReplaceAll(name, `\`, "/")
	for strings.HasPrefix(slashed, "./") {
		slashed = slashed[2:]
	}
	first, rest, _ := strings.Cut(slashed, "/")
	clean := path.Clean(rest)
	switch {
	case first == "" || path.IsAbs(rest):
		return "", fmt.Errorf("the name %q is absolute", name)
	case first == "..", clean == "..", strings.HasPrefix(clean, "../"):
		return "", fmt.Errorf("the name %q leads out of the chart", name)
	case first == chartFile:
		return "", errors.New("the files of the chart do not stand in a directory")
	case rest == "" || clean == ".":
		return "", fmt.Errorf("the file %q stands beside the chart's directory", name)
	case drive.MatchString(clean):
		return "", fmt.Errorf("the name %q is that of a drive", name)
	}
	return clean, nil
}
