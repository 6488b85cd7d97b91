package build

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/internal/tree"
)

// role says what a kustomization uses a file for.
type role uint8

const (
	parsed    role = 1 << iota // kustomize parses it as YAML
	plugin                     // it configures a generator or transformer, or is a directory of such
	directory                  // it may be a directory with a kustomization
)

// errAgain ends an attempt that is to be repeated under other conditions.
var errAgain = errors.New("the build starts again")

// takes says what a field of a kustomization may name.
type takes uint8

const (
	file         takes = iota // a file
	content                   // a file that is taken as it is, not parsed
	fileOrDir                 // a file or a directory
	dirOnly                   // a directory
	pluginConfig              // inline YAML, a file or a directory, of configurations
	inlineOrFile              // inline YAML or a file
	text                      // inline YAML
)

// directories tells whether kustomize tries the reference as a directory, and
// so as a git URL before that.
func (t takes) directories() bool { return t == fileOrDir || t == dirOnly || t == pluginConfig }

// ref is one reference in a kustomization.
type ref struct {
	field string
	takes takes
	at    *string
}

// inspect looks through a kustomization before kustomize sees it. It refuses
// references that lead out of the source, replaces remote ones by mounted
// trees, and notes what the files that it names are used for. What kustomize
// would not accept either passes untouched, for kustomize to report.
func (p *port) inspect(name string, data []byte) ([]byte, error) {
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		p.invalid[name] = err
		return data, nil
	}
	if p.bound {
		p.load.begin(name, data, &k)
	}
	if len(k.OpenAPI) > 0 {
		p.ownSchema = true
		if err := p.here(); err != nil {
			return nil, err
		}
		if !p.exclusive {
			return nil, errAgain
		}
	}
	dir := path.Dir(name)
	if p.roles[dir]&plugin != 0 && transforms(&k) {
		return nil, p.refuse(fmt.Errorf("read %s: a kustomization of generator or transformer configurations may list resources but not change them", display(name)))
	}
	if _, generated := p.over[name]; !generated {
		p.noteDeprecated(name, &k)
	}
	rewritten, missing := false, false
	for _, r := range refs(&k) {
		where := p.line(name, data, *r.at)
		switch changed, err := p.follow(dir, where, r); {
		case errors.Is(err, errAgain):
			missing = true
			p.want[len(p.want)-1].from = where
		case err != nil:
			return nil, p.refuse(fmt.Errorf("read %s: %s: %w", where, r.field, err))
		case changed:
			rewritten = true
		}
	}
	if err := p.grow(name, p.replacementsOf(dir, k.Replacements)); err != nil && !missing {
		return nil, p.refuse(err)
	}
	switch {
	case missing:
		return nil, errAgain
	case rewritten:
		return marshal(k)
	default:
		return data, nil
	}
}

// follow checks one reference from a kustomization in dir, where says at which
// line. It reports whether it rewrote it.
func (p *port) follow(dir, where string, r ref) (bool, error) {
	if r.takes == text {
		return false, guard("inline YAML", []byte(*r.at))
	}
	if yes, err := r.inline(); yes || err != nil {
		if err == nil {
			err = r.checkInline()
		}
		if err == nil && r.takes == pluginConfig {
			err = p.grow(where, p.inPlugin(dir, []byte(*r.at)))
		}
		return false, err
	}
	key, target := r.split()
	if p.isRemote(dir, r.takes, target) {
		return p.rewriteRemote(dir, r, key, target)
	}
	switch {
	case hasPrefixFold(target, "file://"):
		return false, fmt.Errorf("%s: file URLs lead out of the source; use a relative path", target)
	case path.IsAbs(target):
		return false, fmt.Errorf("%s: absolute paths lead out of the source; use a relative path", target)
	}
	name := path.Join(dir, target)
	if climbs(rootOf(dir), dir, target) {
		return false, fmt.Errorf("%s: path leads out of the source", target)
	}
	if target == "~" || strings.HasPrefix(target, "~/") {
		if kind, _ := p.kind(name); kind == tree.Missing {
			return false, fmt.Errorf("%s: a build has no home directory; use a relative path", target)
		}
	}
	if err := p.contained(dir, r.takes, target); err != nil {
		return false, err
	}
	p.note(dir, name, r.takes)
	p.named[name] = where + ": " + r.field + ": " + redact(target)
	return p.disarm(r, target), nil
}

// climbs tells whether target, seen from dir, leads above root on its way.
func climbs(root, dir, target string) bool {
	rel, _ := below(root, dir)
	depth := 0
	if rel != "." {
		depth = 1 + strings.Count(rel, "/")
	}
	for elem := range strings.SplitSeq(path.Clean(target), "/") {
		if elem != ".." {
			break
		}
		depth--
	}
	return depth < 0
}

// note remembers what the file or directory at name is used for.
func (p *port) note(dir, name string, t takes) {
	if p.bound {
		p.load.names(dir, name, t)
	}
	if t != content {
		p.roles[name] |= parsed
	}
	if t == pluginConfig || t == fileOrDir && p.roles[dir]&plugin != 0 {
		p.roles[name] |= plugin
	}
	if t.directories() {
		p.roles[name] |= directory
		p.edges[dir] = append(p.edges[dir], name)
	}
}

// disarm writes a local reference that kustomize could take for a git URL in
// a form that it cannot.
func (p *port) disarm(r ref, target string) bool {
	if _, ok := parseRepo(target); !ok || !r.takes.directories() {
		return false
	}
	*r.at = "./" + target
	return true
}

// inline tells whether the value is YAML itself rather than the name of a file:
// kustomize tries to parse it and takes it for a path when that fails.
func (r ref) inline() (bool, error) {
	if r.takes != pluginConfig && r.takes != inlineOrFile {
		return false, nil
	}
	if err := guard("inline YAML", []byte(*r.at)); err != nil {
		return false, err
	}
	return decode([]byte(*r.at)) == nil, nil
}

// checkInline refuses inline YAML that loads from a URL, or that kustomize
// could still take for a URL: it does so when two of its documents collide.
func (r ref) checkInline() error {
	if _, ok := parseRepo(*r.at); ok || isHTTP(*r.at) {
		return errors.New("inline YAML that reads like a URL")
	}
	if r.takes == pluginConfig {
		return checkPlugin([]byte(*r.at))
	}
	return nil
}

// factory makes resources; it has no state.
var factory *resource.Factory = provider.NewDefaultDepProvider().GetResourceFactory()

// split takes the key off a reference of the form key=path.
func (r ref) split() (key, target string) {
	if r.keyed() {
		if k, v, ok := strings.Cut(*r.at, "="); ok {
			return k, v
		}
	}
	return "", *r.at
}

// keyed tells whether the reference may have the form key=path.
func (r ref) keyed() bool { return strings.HasSuffix(r.field, ".files") }

// refs lists every reference of k that makes kustomize load something.
func refs(k *types.Kustomization) []ref {
	var out []ref
	each := func(field string, t takes, values []string) {
		for i := range values {
			out = append(out, ref{field, t, &values[i]})
		}
	}
	each("resources", fileOrDir, k.Resources)
	each("bases", fileOrDir, k.Bases)
	each("components", dirOnly, k.Components)
	each("crds", file, k.Crds)
	each("configurations", file, k.Configurations)
	each("generators", pluginConfig, k.Generators)
	each("transformers", pluginConfig, k.Transformers)
	each("validators", pluginConfig, k.Validators)
	for i := range k.ConfigMapGenerator {
		out = append(out, sources("configMapGenerator", &k.ConfigMapGenerator[i].KvPairSources)...)
	}
	for i := range k.SecretGenerator {
		out = append(out, sources("secretGenerator", &k.SecretGenerator[i].KvPairSources)...)
	}
	return append(out, fileRefs(k)...)
}

func sources(field string, s *types.KvPairSources) []ref {
	var out []ref
	for i := range s.FileSources {
		out = append(out, ref{field + ".files", content, &s.FileSources[i]})
	}
	for i := range s.EnvSources {
		out = append(out, ref{field + ".envs", content, &s.EnvSources[i]})
	}
	if s.EnvSource != "" {
		out = append(out, ref{field + ".env", content, &s.EnvSource})
	}
	return out
}

// fileRefs lists the references inside lists of structures.
func fileRefs(k *types.Kustomization) []ref {
	var out []ref
	add := func(field string, t takes, at *string) {
		if *at != "" {
			out = append(out, ref{field, t, at})
		}
	}
	for i := range k.Patches {
		add("patches.path", file, &k.Patches[i].Path)
		add("patches.patch", text, &k.Patches[i].Patch)
	}
	for i := range k.PatchesJson6902 {
		add("patchesJson6902.path", file, &k.PatchesJson6902[i].Path)
		add("patchesJson6902.patch", text, &k.PatchesJson6902[i].Patch)
	}
	for i := range k.PatchesStrategicMerge {
		add("patchesStrategicMerge", inlineOrFile, (*string)(&k.PatchesStrategicMerge[i]))
	}
	for i := range k.Replacements {
		add("replacements.path", file, &k.Replacements[i].Path)
	}
	if name := k.OpenAPI["path"]; name != "" {
		// A map's value has no address: this reference is checked, never rewritten.
		out = append(out, ref{"openapi.path", file, &name})
	}
	return out
}

// transforms tells whether k can change the content of the resources it lists.
func transforms(k *types.Kustomization) bool {
	return len(k.Patches)+len(k.PatchesJson6902)+len(k.PatchesStrategicMerge)+len(k.Replacements)+
		len(k.Components)+len(k.Transformers)+len(k.Configurations)+len(k.Vars) > 0
}

func (p *port) inspectPlugin(name string, data []byte) error {
	if err := checkPlugin(data); err != nil {
		return fmt.Errorf("read %s: %w", display(name), err)
	}
	return p.grow(name, p.inPlugin(path.Dir(name), data))
}

// checkPlugin refuses configurations of generators and transformers that load
// from a URL by themselves: kustomize would go to the network for them.
func checkPlugin(data []byte) error {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			return nil // the end, or what kustomize will report
		}
		if at := loadsURL(&doc, false); at != nil {
			return fmt.Errorf("line %d: %s: a generator or transformer may not load from a URL", at.Line, at.Value)
		}
	}
}

// loading lists the keys under which kustomize's own plugins name files.
var loading = map[string]bool{
	"path": true, "paths": true, "files": true, "env": true, "envs": true,
	"targetfilepath": true, "valuesfile": true, "argsfromfile": true,
}

// loadsURL returns the first scalar under a loading key that is a URL. Keys
// count in any case, as they do for kustomize.
func loadsURL(n *yaml.Node, under bool) *yaml.Node {
	switch n.Kind {
	case yaml.ScalarNode:
		_, v, ok := strings.Cut(n.Value, "=")
		if under && (isHTTP(n.Value) || ok && isHTTP(v)) {
			return n
		}
	case yaml.AliasNode:
		if n.Alias.Kind == yaml.ScalarNode || under {
			return loadsURL(n.Alias, under)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := strings.ToLower(n.Content[i].Value)
			if found := loadsURL(n.Content[i+1], under || loading[key]); found != nil {
				return found
			}
		}
	default:
		for _, c := range n.Content {
			if found := loadsURL(c, under); found != nil {
				return found
			}
		}
	}
	return nil
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// noteDeprecated keeps what kustomize would print about old fields.
func (p *port) noteDeprecated(name string, k *types.Kustomization) {
	if messages := k.CheckDeprecatedFields(); messages != nil {
		for _, m := range *messages {
			p.warning[display(name)+": "+strings.TrimPrefix(m, "# Warning: ")] = true
		}
	}
}

// line writes name with the line on which value first stands, where it does.
func (p *port) line(name string, data []byte, value string) string {
	if before, ok := p.original[name]; ok {
		data = before
	}
	if i := strings.Index(string(data), value); i >= 0 && value != "" {
		return fmt.Sprintf("%s:%d", display(name), 1+strings.Count(string(data[:i]), "\n"))
	}
	return display(name)
}
