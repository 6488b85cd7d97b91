package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	helm "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// Package writes a chart as an archive, in the order in which Helm does
// (pkg/chart/v2/util, Save). Equal charts give equal bytes: no time and no owner
// is in it.
func Package(c *helm.Chart) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("package chart: %w", err)
	}
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	p := packer{tw}
	if err := p.chart(c, ""); err != nil {
		return nil, fmt.Errorf("package chart %s: %w", c.Name(), err)
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		return nil, fmt.Errorf("package chart %s: %w", c.Name(), err)
	}
	return out.Bytes(), nil
}

type packer struct{ tw *tar.Writer }

func (p packer) chart(c *helm.Chart, dir string) error {
	if path.Base(c.Name()) != c.Name() || c.Name() == "." || c.Name() == ".." {
		return fmt.Errorf("%q cannot name a chart", c.Name())
	}
	dir = path.Join(dir, c.Name())
	if err := p.about(c, dir); err != nil {
		return err
	}
	for _, f := range c.Raw {
		if f.Name == valuesFile {
			if err := p.file(path.Join(dir, valuesFile), f.Data); err != nil {
				return err
			}
		}
	}
	if c.Schema != nil {
		if !json.Valid(c.Schema) {
			return errors.New("invalid JSON in " + schemaFile)
		}
		if err := p.file(path.Join(dir, schemaFile), c.Schema); err != nil {
			return err
		}
	}
	for _, f := range append(c.Templates[:len(c.Templates):len(c.Templates)], c.Files...) {
		if err := p.file(path.Join(dir, f.Name), f.Data); err != nil {
			return err
		}
	}
	for _, sub := range c.Dependencies() {
		if err := p.chart(sub, path.Join(dir, chartsDir)); err != nil {
			return err
		}
	}
	return nil
}

// about writes Chart.yaml and Chart.lock. In charts of API version v1 the
// dependencies stand in files of their own.
func (p packer) about(c *helm.Chart, dir string) error {
	m := *c.Metadata
	if m.APIVersion == helm.APIVersionV1 {
		m.Dependencies = nil
	}
	text, err := yaml.Marshal(&m)
	if err != nil {
		return err
	}
	if err := p.file(path.Join(dir, chartFile), text); err != nil {
		return err
	}
	if m.APIVersion != helm.APIVersionV2 || c.Lock == nil {
		return nil
	}
	if text, err = yaml.Marshal(c.Lock); err != nil {
		return err
	}
	return p.file(path.Join(dir, lockFile), text)
}

func (p packer) file(name string, data []byte) error {
	h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: time.Unix(0, 0)}
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := p.tw.Write(data)
	return err
}
