package image

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
)

// Binary is a program that may go into an image.
type Binary struct {
	Path     string
	Arch     string // as GOARCH
	Revision string // of version control, "" where the build did not know it
}

// forbidden are modules that have no place in a cluster: the API server is for
// laptops, in another binary.
var forbidden = []string{"k8s.io/kubernetes", "go.etcd.io/etcd/server/v3"}

// Inspect reads a program and refuses what would not run in an empty
// filesystem, or does not belong there.
func Inspect(path string) (Binary, error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return Binary{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	b, err := check(info)
	if err != nil {
		return Binary{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	if err := checkStatic(path); err != nil {
		return Binary{}, fmt.Errorf("inspect %s: %w", path, err)
	}
	b.Path = path
	return b, nil
}

func check(info *debug.BuildInfo) (Binary, error) {
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if set["GOOS"] != "linux" {
		return Binary{}, fmt.Errorf("it is for %q; build it with GOOS=linux", set["GOOS"])
	}
	for _, dep := range info.Deps {
		if slices.Contains(forbidden, dep.Path) {
			return Binary{}, fmt.Errorf("it has %s in it; build cmd/leat of the root module", dep.Path)
		}
	}
	return Binary{Arch: set["GOARCH"], Revision: set["vcs.revision"]}, nil
}

// checkStatic refuses a program that asks for a loader.
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically; build it with CGO_ENABLED=0")
		}
	}
	return nil
}
