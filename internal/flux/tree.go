package flux

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/object"
)

// Tree is an object with what it made. Its JSON is that of
// `flux tree -o json` (flux2 v2.9.5, internal/tree).
type Tree struct {
	Resource  Resource `json:"resource"`
	Resources []*Tree  `json:"resources,omitempty"`
	// Health and Message are how it stands, below leat.
	Health  string `json:"health,omitempty"`
	Message string `json:"message,omitempty"`
}

// Resource is the identity of an object, as upstream writes it.
type Resource struct {
	Namespace string
	Name      string
	GroupKind schema.GroupKind
}

// NewTree returns a tree of one object.
func NewTree(k object.Key) *Tree {
	return &Tree{Resource: Resource{Namespace: k.Namespace, Name: k.Name, GroupKind: k.GroupKind()}}
}

// Add puts an object below and returns it.
func (t *Tree) Add(k object.Key) *Tree {
	below := NewTree(k)
	t.Resources = append(t.Resources, below)
	return below
}

// Key is the key of the tree's object.
func (t *Tree) Key() object.Key {
	r := t.Resource
	return object.Key{Group: r.GroupKind.Group, Kind: r.GroupKind.Kind, Namespace: r.Namespace, Name: r.Name}
}

// Text draws the tree, a line per object.
func (t *Tree) Text() string {
	var b strings.Builder
	b.WriteString(t.line() + "\n")
	t.draw(&b, "")
	return b.String()
}

func (t *Tree) line() string {
	switch {
	case t.Health == "":
		return t.Key().String()
	case t.Health == "Current" && t.Message == "":
		return "✓ " + t.Key().String()
	}
	sign, health := "✓", ""
	switch t.Health {
	case "Current":
	case "InProgress":
		sign, health = "⟳", " in progress"
	default:
		sign, health = "✗", " "+strings.ToLower(t.Health)
	}
	return sign + " " + t.Key().String() + health + ": " + strings.Join(strings.Fields(t.Message), " ")
}

func (t *Tree) draw(b *strings.Builder, indent string) {
	for i, below := range t.Resources {
		branch, deeper := "├── ", "│   "
		if i == len(t.Resources)-1 {
			branch, deeper = "└── ", "    "
		}
		b.WriteString(indent + branch + below.line() + "\n")
		below.draw(b, indent+deeper)
	}
}

// compactGroups are those that --compact shows.
const compactGroups = "toolkit.fluxcd.io"

// Compact tells whether --compact shows an object.
func Compact(k object.Key) bool { return strings.Contains(k.Group, compactGroups) }
