// Package plugin reads what a catalogue of plugins says and finds in it what to
// install: documents of cli.fluxcd.io/v1beta1 (flux2 v2.9.5, pkg/plugin and
// internal/plugin/catalog.go).
//
//	m, err := plugin.ReadManifest("operator", text)
//	pick, err := m.Pick("0.45.0", plugin.Machine{OS: "linux", Arch: "amd64"}) // or "", or "sha256:…"
//
// It fetches nothing. What it returns has names that can stand in a path; it
// must never return one that leads elsewhere.
package plugin

import (
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// Prefix begins the name of a plugin's program: flux-operator is «flux operator».
const Prefix = "flux-"

const (
	version     = "cli.fluxcd.io/v1beta1"
	kind        = "Plugin"
	catalogKind = "PluginCatalog"
)

// Manifest is what a catalogue says of one plugin; versions newest first.
type Manifest struct {
	APIVersion  string    `json:"apiVersion"`
	Kind        string    `json:"kind"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Bin         string    `json:"bin"` // the name of its program, flux-<name>
	Versions    []Version `json:"versions"`
}

// Version is a release of a plugin.
type Version struct {
	Version   string     `json:"version"` // without v
	Platforms []Platform `json:"platforms"`
}

// Platform is a release for one kind of machine.
type Platform struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	URL         string `json:"url"`
	Checksum    string `json:"checksum"`              // sha256:<hex> of what the URL yields
	ExtractPath string `json:"extractPath,omitempty"` // of the program inside an archive
}

// Catalog lists the plugins that there are.
type Catalog struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Plugins    []Entry `json:"plugins"`
}

// Entry is a plugin in a catalogue.
type Entry struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Receipt is kept beside an installed plugin, as flux-<name>.yaml.
type Receipt struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	InstalledAt string   `json:"installedAt"` // RFC 3339
	Platform    Platform `json:"platform"`
}

// Machine is what programs are made for, in the words of Go.
type Machine struct{ OS, Arch string }

func (m Machine) String() string { return m.OS + "/" + m.Arch }

// Pick is a release for a machine.
type Pick struct {
	Version string
	Platform
}

// The names of plugins and the digests of the catalogue's schema (fluxcd/plugins,
// schemas/plugin-cli-v1beta1.json).
var (
	named    = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	digested = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
)

// Named tells whether a plugin can have this name.
func Named(name string) bool { return named.MatchString(name) }

// ReadManifest reads the manifest of the plugin of that name.
func ReadManifest(name string, text []byte) (Manifest, error) {
	var m Manifest
	if err := yaml.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("failed to parse plugin manifest for %q: %w", name, err)
	}
	switch {
	case m.APIVersion != version:
		return Manifest{}, fmt.Errorf("plugin %q has unsupported apiVersion %q (expected %q)", name, m.APIVersion, version)
	case m.Kind != kind:
		return Manifest{}, fmt.Errorf("plugin %q has unexpected kind %q (expected %q)", name, m.Kind, kind)
	case !strings.HasPrefix(m.Bin, Prefix) || !Named(m.Bin):
		return Manifest{}, fmt.Errorf("plugin %q has invalid bin %q (must be a plain filename prefixed with %q)", name, m.Bin, Prefix)
	case m.Name != name || m.Bin != Prefix+name:
		return Manifest{}, fmt.Errorf("plugin %q has a manifest of %q with the program %q: want %q, which no other plugin can own", name, m.Name, m.Bin, Prefix+name)
	}
	return m, nil
}

// ReadCatalog reads catalog.yaml.
func ReadCatalog(text []byte) (Catalog, error) {
	var c Catalog
	if err := yaml.Unmarshal(text, &c); err != nil {
		return Catalog{}, fmt.Errorf("failed to parse plugin catalog: %w", err)
	}
	switch {
	case c.APIVersion != version:
		return Catalog{}, fmt.Errorf("plugin catalog has unsupported apiVersion %q (expected %q)", c.APIVersion, version)
	case c.Kind != catalogKind:
		return Catalog{}, fmt.Errorf("plugin catalog has unexpected kind %q (expected %q)", c.Kind, catalogKind)
	}
	return c, nil
}

// Pick finds a release: the newest of "", the one of a version, or the one whose
// archive has a digest.
func (m Manifest) Pick(ref string, machine Machine) (Pick, error) {
	if len(m.Versions) == 0 {
		return Pick{}, fmt.Errorf("plugin %q has no versions", m.Name)
	}
	digest := strings.HasPrefix(ref, "sha256:")
	for i, v := range m.Versions {
		if !digest && ref != v.Version && (ref != "" || i > 0) {
			continue
		}
		for _, p := range v.Platforms {
			if (Machine{p.OS, p.Arch}) == machine && (!digest || p.Checksum == ref) {
				return Pick{v.Version, p}, p.check(m.Name)
			}
		}
		if !digest {
			return Pick{}, fmt.Errorf("plugin %q v%s has no binary for %s", m.Name, v.Version, machine)
		}
	}
	if digest {
		return Pick{}, fmt.Errorf("digest %q not found for plugin %q on %s", ref, m.Name, machine)
	}
	return Pick{}, fmt.Errorf("version %q not found for plugin %q", ref, m.Name)
}

func (p Platform) check(name string) error {
	if !digested.MatchString(p.Checksum) {
		return fmt.Errorf("plugin %q has the checksum %.80q: want sha256: and 64 hexadecimal digits", name, p.Checksum)
	}
	return nil
}

// Matching are the entries whose name or description holds the query, whatever
// the case.
func (c Catalog) Matching(query string) []Entry {
	var out []Entry
	for _, e := range c.Plugins {
		if strings.Contains(strings.ToLower(e.Name+"\n"+e.Description), strings.ToLower(query)) {
			out = append(out, e)
		}
	}
	return out
}
