package fleet

import (
	"embed"
	"fmt"
	"io/fs"
)

// The chart of the shape Releases. It renders the same objects as the files of
// an app, with a few labels more.
const (
	ChartName    = "fleet"
	ChartVersion = "1.0.0"
)

//go:embed all:chart
var chartFiles embed.FS

// ChartFiles are the files of the chart, by path, its name first.
func ChartFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(chartFiles, "chart", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := chartFiles.ReadFile(path)
		files[ChartName+path[len("chart"):]] = data
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the fleet's chart: %w", err)
	}
	return files, nil
}

// Values are the values with which the chart renders what SetMessage with the
// same message has the files say.
func Values(message string) Object {
	return Object{"replicaCount": 0, "message": message}
}

// chartRepository is the HelmRepository that all releases read.
func (f Fleet) chartRepository(url string) Object {
	return Object{
		"apiVersion": "source.toolkit.fluxcd.io/v1",
		"kind":       "HelmRepository",
		"metadata":   Object{"name": Source, "namespace": System},
		"spec":       Object{"interval": f.o.Interval.String(), "timeout": "60s", "url": url},
	}
}

// release is the HelmRelease of app i: named as `helm install -n` would, with
// its storage beside its objects.
func (f Fleet) release(i int) Object {
	return Object{
		"apiVersion": "helm.toolkit.fluxcd.io/v2",
		"kind":       "HelmRelease",
		"metadata":   Object{"name": f.App(i), "namespace": System},
		"spec": Object{
			"interval":         f.o.Interval.String(),
			"timeout":          f.o.Timeout.String(),
			"releaseName":      f.App(i),
			"targetNamespace":  f.Namespace(i),
			"storageNamespace": f.Namespace(i),
			"chart": Object{"spec": Object{
				"chart": ChartName, "version": ChartVersion, "interval": f.o.Interval.String(),
				"sourceRef": Object{"kind": "HelmRepository", "name": Source},
			}},
			"values": Values("1"),
		},
	}
}
