package flow

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/tree"
)

// proposePins finds the rules that name the versions in the environments' files.
func proposePins(environments []Environment, trees map[string]tree.Tree) []PinRule {
	type key struct {
		path string
		kind PinKind
	}
	files := map[key][]string{}
	var order []key
	note := func(k key, file string) {
		if files[k] == nil {
			order = append(order, k)
		}
		if !slices.Contains(files[k], file) {
			files[k] = append(files[k], file)
		}
	}
	for _, e := range environments {
		sub, err := trees[e.Branch].Sub(or(e.Directory, "."))
		if err != nil {
			continue
		}
		_ = sub.Walk(func(file string, b *tree.Blob) error { // what cannot be read has no pin
			if !isYAML(file) || generated(file) || e.Directory == "" && foreign(e, file) {
				return nil
			}
			data, err := b.Read()
			if err != nil || len(data) > maxPinFile {
				return nil
			}
			for _, r := range rulesOf(data) {
				note(key{r.Path, r.Kind}, file)
			}
			return nil
		})
	}
	var out []PinRule
	for _, k := range order {
		for _, file := range gathered(files[k]) {
			out = append(out, PinRule{File: file, Path: k.path, Kind: k.kind})
		}
	}
	return out
}

// generated tells whether a file is written by Flux itself: by bootstrap, or by Flux
// v1 as .flux.yaml has it.
func generated(file string) bool {
	return strings.Contains(file, "flux-system/") || path.Base(file) == "flux-patch.yaml"
}

func isYAML(file string) bool {
	ext := path.Ext(file)
	return ext == ".yaml" || ext == ".yml"
}

// foreign tells whether a file of a branch belongs to a cluster: which of them is
// the environment's differs from branch to branch, and no rule can say it.
func foreign(e Environment, file string) bool {
	return e.Cluster != "" && strings.HasPrefix(file, path.Dir(e.Cluster)+"/") && path.Dir(e.Cluster) != "."
}

// maxFolders is how many patterns of folders are proposed before one for all files.
const maxFolders = 3

// gathered are patterns for files: each by its name where it is alone, else by
// its folder, else all.
func gathered(files []string) []string {
	if len(files) == 1 {
		return files
	}
	var folders []string
	for _, f := range files {
		if dir := path.Join(path.Dir(f), "*.yaml"); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	if len(folders) > maxFolders {
		return []string{"**/*.yaml"}
	}
	slices.Sort(folders)
	return folders
}

// own are the fields of objects that are versions.
var own = map[string]PinKind{
	".spec.chart.spec.version": ChartPin, // HelmRelease of Flux v2
	".spec.chart.version":      ChartPin, // of the Helm operator
	".spec.values.image.tag":   ImagePin,
}

var (
	substitute   = regexp.MustCompile(`^\.spec\.postBuild\.substitute\.[A-Za-z0-9_]*?(_CHART_VERSION|_TAG)$`)
	endings      = map[string]PinKind{"_CHART_VERSION": ChartPin, "_TAG": ImagePin}
	lastKeys     = map[string]PinKind{"branch": BranchPin, "chart_version": ChartPin, "chartVersion": ChartPin, "image": ImagePin, "image_tag": ImagePin, "imageTag": ImagePin}
	plainVersion = regexp.MustCompile(`\d`)
)

// rulesOf are the rules that find the versions in one file.
func rulesOf(data []byte) []PinRule {
	values, err := edit.Values(data)
	if err != nil {
		return nil
	}
	var out []PinRule
	add := func(p string, kind PinKind) {
		if !slices.ContainsFunc(out, func(r PinRule) bool { return r.Path == p }) {
			out = append(out, PinRule{Path: p, Kind: kind})
		}
	}
	objects := objectsOf(data)
	var free []edit.Value
	for _, v := range values {
		at := edit.Path{Steps: v.Path.Steps}.String()
		switch kind, known := own[at]; {
		case v.Text == "" || strings.Contains(v.Text, "${"):
		case known && plainVersion.MatchString(v.Text):
			add(at, kind)
		case substitute.MatchString(at) && plainVersion.MatchString(v.Text):
			end := substitute.FindStringSubmatch(at)[1]
			add(".spec.postBuild.substitute.*"+end, endings[end])
		case objects[v.Path.Document.Number].kind == "":
			free = append(free, v)
		}
	}
	for _, r := range rulesAmong(free) {
		add(r.Path, r.Kind)
	}
	return out
}

// patternsOf are the paths with a * in place of one key.
func patternsOf(steps []edit.Step) []string {
	var out []string
	for i := range steps[:len(steps)-1] {
		if steps[i].Item {
			continue
		}
		starred := slices.Clone(steps)
		starred[i] = edit.Step{Key: "*", Pattern: true}
		out = append(out, strings.ReplaceAll(edit.Path{Steps: starred}.String(), `."*"`, ".*"))
	}
	return out
}

// rulesAmong are rules with a * for the key by which versions of one shape differ, of
// which there are two or more.
func rulesAmong(values []edit.Value) []PinRule {
	count := map[string]int{}
	kinds := map[string]PinKind{}
	var order []string
	for _, v := range values {
		last := v.Path.Steps[len(v.Path.Steps)-1]
		kind, known := lastKeys[last.Key]
		if !known || last.Item {
			continue
		}
		for _, p := range patternsOf(v.Path.Steps) {
			if count[p]++; count[p] == 1 {
				order, kinds[p] = append(order, p), kind
			}
		}
	}
	var out []PinRule
	for _, p := range order {
		if count[p] > 1 {
			out = append(out, PinRule{Path: p, Kind: kinds[p]})
		}
	}
	return out
}
