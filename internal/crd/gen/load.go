package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	crdmarkers "sigs.k8s.io/controller-tools/pkg/crd/markers"
	"sigs.k8s.io/controller-tools/pkg/loader"
	"sigs.k8s.io/controller-tools/pkg/markers"

	"golang.org/x/tools/go/packages"
)

// load returns the CRDs that one release declares, with only the versions
// asked for and without upstream's descriptions.
func load(m module) ([]apiextensionsv1.CustomResourceDefinition, error) {
	dir, err := locate(m)
	if err != nil {
		return nil, err
	}
	patterns := make([]string, len(m.Versions))
	for i, v := range m.Versions {
		patterns[i] = "./" + v
	}
	roots, err := loader.LoadRootsWithConfig(&packages.Config{Dir: dir}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", m.Path, m.Version, err)
	}
	return parse(roots)
}

// locate downloads a release through the module proxy and returns its
// directory in the module cache.
func locate(m module) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", m.Path+"@"+m.Version)
	cmd.Dir = os.TempDir() // outside any module, so that no go.mod is touched
	out, err := cmd.Output()
	var info struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &info); jsonErr != nil {
		return "", fmt.Errorf("download %s@%s: %w", m.Path, m.Version, err)
	}
	if info.Error != "" {
		return "", fmt.Errorf("download %s@%s: %s", m.Path, m.Version, info.Error)
	}
	return info.Dir, nil
}

// parse turns Go packages into CRDs the way controller-gen does.
func parse(roots []*loader.Package) ([]apiextensionsv1.CustomResourceDefinition, error) {
	registry := &markers.Registry{}
	if err := crdmarkers.Register(registry); err != nil {
		return nil, err
	}
	parser := &crd.Parser{
		Collector: &markers.Collector{Registry: registry},
		Checker:   &loader.TypeChecker{},
	}
	crd.AddKnownTypes(parser)
	for _, root := range roots {
		parser.NeedPackage(root)
	}
	noDescription := 0
	var found []apiextensionsv1.CustomResourceDefinition
	for _, gk := range crd.FindKubeKinds(parser, crd.FindMetav1(roots)) {
		parser.NeedCRDFor(gk, &noDescription)
		c := parser.CustomResourceDefinitions[gk]
		crd.FixTopLevelMetadata(c)
		open(&c)
		found = append(found, c)
	}
	if loader.PrintErrors(roots, packages.TypeError) {
		return nil, fmt.Errorf("parse %s: see errors above", roots[0].PkgPath)
	}
	return found, nil
}
