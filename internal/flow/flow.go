// Package flow says how changes get from one environment of a fleet to the next:
// what leat.yaml declares, which versions the environments pin, and how they stand
// to each other.
//
//	f, err := flow.Parse("leat.yaml", data) // every error at file:line:column
//	prod, ok := f.Environment("production")
//	pins, notes := flow.Pins(tree, f, prod)
//
// It is pure: trees, versions and times come in as values. It never writes, and it
// never shows a value that is not a version, a name or a place.
package flow

import (
	"fmt"
	"slices"
	"time"
)

// Version and Kind name the format of leat.yaml.
const (
	Version = "leat.dev/v1alpha1"
	Kind    = "Flow"
)

// FileName is where the declaration stands, at the root of a fleet's repository.
const FileName = "leat.yaml"

// Schema is the address of the file's JSON Schema, for editors.
const Schema = "https://leat.dev/schema/leat-yaml-v1alpha1.json"

// Flow is what leat.yaml declares.
type Flow struct {
	// The version of the format.
	APIVersion string `json:"apiVersion" want:"required,enum=leat.dev/v1alpha1"`
	// What the file is.
	Kind string `json:"kind" want:"required,enum=Flow"`
	// Where the fleet runs, each a branch and a directory of the repository.
	Environments []Environment `json:"environments" want:"required"`
	// Where versions live in the files of an environment.
	Pins []PinRule `json:"pins"`
	// What the name of a pin means, where that cannot be derived.
	Components []Component `json:"components"`
	// What never moves between environments.
	Stays []Stay `json:"stays"`
	// What is another word in each environment.
	Maps []Map `json:"maps"`
	// People by the name of their group, as the forge writes them; {team: NAME} among them is
	// all of a team of the forge.
	Groups map[string][]Member `json:"groups"`
	// The person behind an account, for those who have several: together they approve once,
	// and nothing that one of them has made.
	Same map[string]string `json:"same"`
	// What a change must pass before it reaches an environment.
	Gates []Gate `json:"gates"`
	// How soon an environment runs what its branch says; 10m where nothing is said.
	Promise Duration `json:"promise"`
	// How long a fix may run in an environment without being in main, before that is an
	// alert; 24h where nothing is said.
	MainWithin Duration `json:"mainWithin"`
	// A random word that whoever reads the repository knows: it keys the digests that
	// approvals name, so that a digest alone does not tell whether a secret was guessed.
	Seal string `json:"seal"`
	// What a release of a component writes besides its pins.
	Release *Release `json:"release"`
	// Where pull requests are opened; a plain repository where nothing is said.
	Forge *Forge `json:"forge"`
}

// Pos is a place in a file; lines and columns count from 1.
type Pos struct {
	File         string
	Line, Column int
}

// String is file:line:column.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Environment is one place where the fleet runs.
type Environment struct {
	At Pos `json:"-"`
	// How people call it; letters, digits, - and _.
	Name string `json:"name" want:"required,name"`
	// The branch that it follows.
	Branch string `json:"branch" want:"required,branch"`
	// What of the branch is this environment's; all of it where nothing is said.
	Directory string `json:"directory" want:"path"`
	// The path of its entry in the branch, as leat plan --path has it; the directory
	// where nothing is said.
	Cluster string `json:"cluster" want:"path"`
	// The context of the kubeconfig in which the live state is asked.
	Context string `json:"context"`
	// The environment that its changes come from.
	Follows string `json:"follows"`
	// How they come: copy (files of a directory), merge (of branches), pins (values
	// only). Where nothing is said: merge for whole branches, copy for directories.
	Move Move `json:"move" want:"enum=copy|merge|pins"`
}

// Copied tells that changes come into it by copies: its branch has commits of its own for
// each of them, and none of these goes to another branch as it is.
func (e Environment) Copied() bool { return e.Directory != "" && e.Move != Merge }

// Move is how changes come from one environment into the next.
type Move string

// The moves.
const (
	Copy   Move = "copy"
	Merge  Move = "merge"
	ByPins Move = "pins"
)

// PinKind is what a pin's value names.
type PinKind string

// The kinds of pins.
const (
	BranchPin PinKind = "branch" // a branch of the component's repository
	ChartPin  PinKind = "chart"  // a version of its chart
	ImagePin  PinKind = "image"  // an image with its tag, or a tag alone
)

// PinRule says where versions live.
type PinRule struct {
	At Pos `json:"-"`
	// Which files, from the environment's directory; with a / before it, from the
	// root of the branch. * and ** stand for any part of a name, and any directories.
	File string `json:"file" want:"required,glob"`
	// Where in them: .components.*.image; the key that the first * stands for is the
	// component's name.
	Path string `json:"path" want:"required,yamlpath"`
	// What the value names.
	Kind PinKind `json:"kind" want:"required,enum=branch|chart|image"`
	// The component's name where the path has no *; where neither says it, it is the
	// metadata.name of the object that the value stands in.
	Component string `json:"component"`
}

// Component is what the name of a pin means.
type Component struct {
	At Pos `json:"-"`
	// As the pins have it.
	Name string `json:"name" want:"required"`
	// The address of the Git repository whose branches its pins name.
	Repository string `json:"repository"`
	// Its chart.
	Chart *ChartRef `json:"chart"`
	// The image without a tag.
	Image string `json:"image"`
	// The branch that its releases are cut from; the default branch of the repository
	// where nothing is said.
	Branch string `json:"branch" want:"branch"`
	// Where it stands in the umbrella repositories, as a submodule.
	Directory string `json:"directory" want:"path"`
}

// Release is what a release of a component writes besides its pins.
type Release struct {
	// The environment whose branch gets the new pins; the first one where nothing is said.
	Environment string `json:"environment"`
	// Repositories that hold the components as submodules, each moved to what was
	// released.
	Umbrellas []Store `json:"umbrellas"`
	// The repository with the packaged charts and their index.
	Charts *Store `json:"charts"`
}

// Store is a branch of a repository that releases write into.
type Store struct {
	// The address of the repository.
	Repository string `json:"repository" want:"required"`
	// The branch; the default branch where nothing is said.
	Branch string `json:"branch" want:"branch"`
	// The directory of the packages and of index.yaml; the root where nothing is said.
	Directory string `json:"directory" want:"path"`
}

// ChartRef is a chart in a repository of charts.
type ChartRef struct {
	// The address of the repository: https:// or oci://.
	Repository string `json:"repository" want:"required"`
	// The chart's name there.
	Name string `json:"name" want:"required"`
}

// Stay is something that never moves between environments.
type Stay struct {
	At Pos `json:"-"`
	// Which files, from the environment's directory.
	Files []string `json:"files" want:"glob"`
	// Only in objects of this kind.
	Kind string `json:"kind"`
	// Only this field of them; the whole file where nothing is said.
	Path string `json:"path" want:"yamlpath"`
}

// Map is a word that is another one in each environment.
type Map struct {
	At Pos `json:"-"`
	// For messages.
	Name string `json:"name" want:"required"`
	// Which files; every file that moves where nothing is said.
	Files []string `json:"files" want:"glob"`
	// Only this field; wherever the word stands where nothing is said.
	Path string `json:"path" want:"yamlpath"`
	// The word by the name of the environment.
	Values map[string]string `json:"values" want:"required"`
}

// Gate is what a change must pass before it reaches environments.
type Gate struct {
	At Pos `json:"-"`
	// Of which environments.
	Environments []string `json:"environments" want:"required"`
	// Only changes of these files, from the root of the branch; the environments'
	// directories where nothing is said.
	Paths []string `json:"paths" want:"glob"`
	// What must be green; build, schema and plan where nothing is said.
	Checks []string `json:"checks" want:"enum=build|schema|policy|plan"`
	// Which findings fail policy, as leat plan --fail-on has it; danger where nothing is said.
	FailOn string `json:"failOn" want:"failon"`
	// Who must approve.
	Approvals *Approvals `json:"approvals"`
	// When changes may reach it; always where nothing is said.
	Windows []Window `json:"windows"`
	// When they may not.
	Freeze []Freeze `json:"freeze"`
}

// Approvals is who must approve a change.
type Approvals struct {
	// How many of them.
	Count int `json:"count" want:"required,positive"`
	// By the names that they have at the forge.
	Users []string `json:"users"`
	// Names of groups of this file; a team of the forge stands in one of these.
	Groups []string `json:"groups"`
}

// Forge is where pull requests are opened.
type Forge struct {
	// Which service it is.
	Kind string `json:"kind" want:"required,enum=azure-devops|bitbucket-cloud|bitbucket-server|git|gitea|github|gitlab"`
	// The address of the repository there.
	URL string `json:"url" want:"required"`
	// With kind git: the file with the keys of those whose word counts, as ALLOWED
	// SIGNERS of ssh-keygen, on the default branch; .leat/signers where nothing is said.
	Signers string `json:"signers" want:"path"`
}

// Duration is a length of time as Go writes it: 10m, 1h30m.
type Duration time.Duration

// MarshalText writes it as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// DefaultPromise is how soon an environment runs what its branch says, where the
// file does not say it: seed 1 of the project promises ten minutes to its users.
const DefaultPromise = Duration(10 * time.Minute)

// DefaultMainWithin is how long a fix may be in an environment and not in main, where the
// file does not say it.
const DefaultMainWithin = Duration(24 * time.Hour)

// Environment returns the environment of a name.
func (f Flow) Environment(name string) (Environment, bool) {
	for _, e := range f.Environments {
		if e.Name == name {
			return e, true
		}
	}
	return Environment{}, false
}

// Names are those of the environments, in the order of the file.
func (f Flow) Names() []string {
	out := make([]string, len(f.Environments))
	for i, e := range f.Environments {
		out[i] = e.Name
	}
	return out
}

// Followers are the environments that follow one, in the order of the file.
func (f Flow) Followers(name string) []Environment {
	var out []Environment
	for _, e := range f.Environments {
		if e.Follows == name {
			out = append(out, e)
		}
	}
	return out
}

// InOrder are the environments with each after the one that it follows, otherwise in
// the order of the file.
func (f Flow) InOrder() []Environment {
	var out []Environment
	var take func(Environment)
	taken := map[string]bool{}
	take = func(e Environment) {
		if taken[e.Name] {
			return
		}
		taken[e.Name] = true
		if before, ok := f.Environment(e.Follows); ok {
			take(before)
		}
		out = append(out, e)
	}
	for _, e := range f.Environments {
		take(e)
	}
	return out
}

// Branches are those of the environments, each once, in the order of the file.
func (f Flow) Branches() []string {
	var out []string
	for _, e := range f.Environments {
		if !slices.Contains(out, e.Branch) {
			out = append(out, e.Branch)
		}
	}
	return out
}

// Component returns what the file declares of a component.
func (f Flow) Component(name string) (Component, bool) {
	for _, c := range f.Components {
		if c.Name == name {
			return c, true
		}
	}
	return Component{}, false
}
