// Package tgz packs files as a gzipped tar whose bytes depend on nothing else.
//
//	data, err := tgz.Pack(map[string][]byte{"podinfo/Chart.yaml": text})
//
// It must never read a clock or a file.
package tgz

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"maps"
	"slices"
)

// Pack returns the archive of files, by path.
func Pack(files map[string][]byte) ([]byte, error) {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: path, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[path]))}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(files[path]); err != nil {
			return nil, err
		}
	}
	err := errors.Join(tw.Close(), zw.Close())
	return buf.Bytes(), err
}
