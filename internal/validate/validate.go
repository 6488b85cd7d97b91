// Package validate holds objects to the schemas of their kinds, as an API server
// would, before one has been asked.
//
//	check := validate.New(schema.Builtin().With(definition).Find)
//	for _, p := range check.Object(ctx, obj) {
//		fmt.Println(p.Field, p.Message) // /spec/replicas expected numeric, got string
//	}
//	check.Schemaless() // kinds of which no schema was known, each once
//
// Built-in kinds are held to their types and to a committed table of values that
// the API takes; custom ones to their definition, with CEL rules, whose cost is
// bounded as on the server. What only a server knows (webhooks, quotas, names
// that are taken) is not known here. No problem holds a value of a Secret.
package validate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gvks "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/world/schema"
)

// Problem is one thing that a schema says against an object.
type Problem struct {
	Field   string // JSON pointer; empty for the object itself
	Message string
	// Unknown fields are not in the schema: where they are not refused they are
	// dropped.
	Unknown bool
}

// maxProblems bounds the problems of one object.
const maxProblems = 50

// Schemas finds a kind; one that is not served is a meta.NoKindMatchError.
// (*schema.Kinds).Find is one.
type Schemas func(gvk gvks.GroupVersionKind) (*schema.Kind, error)

// Check holds objects to schemas. It is for one goroutine.
type Check struct {
	find       Schemas
	schemaless map[gvks.GroupVersionKind]int
}

// New returns a check by these schemas.
func New(find Schemas) *Check {
	return &Check{find: find, schemaless: map[gvks.GroupVersionKind]int{}}
}

// Add takes over what another check noted of kinds without a schema.
func (c *Check) Add(o *Check) {
	for gvk, n := range o.schemaless {
		c.schemaless[gvk] += n
	}
}

// Object returns what is wrong with an object as it is written, before an API
// server has filled in or dropped anything. One that SOPS has encrypted is opaque.
func (c *Check) Object(ctx context.Context, obj *unstructured.Unstructured) []Problem {
	if encrypted(obj) {
		return nil
	}
	gvk := obj.GroupVersionKind()
	kind, err := c.find(gvk)
	switch {
	case meta.IsNoMatchError(err):
		return c.unserved(gvk)
	case err != nil:
		return []Problem{{Message: err.Error()}}
	case !kind.Known():
		c.schemaless[gvk]++
	}
	p := problems{obj: obj}
	p.types(kind)
	if kind.Builtin() {
		p.values(gvk.Kind, obj.Object, nil)
	}
	p.schema(ctx, kind)
	return p.sorted()
}

// unserved says that a kind is not known, or notes that its schema is not.
func (c *Check) unserved(gvk gvks.GroupVersionKind) []Problem {
	other, err := c.find(gvks.GroupVersionKind{Group: gvk.Group, Kind: gvk.Kind})
	switch {
	case err == nil:
		return []Problem{{Message: fmt.Sprintf("%s %s is not served; use %s", gvk.GroupVersion(), gvk.Kind, strings.Join(groupVersions(other), " or "))}}
	case schema.BuiltinGroup(gvk.Group):
		return []Problem{{Message: fmt.Sprintf("%s %s is not served by this version of Kubernetes", gvk.GroupVersion(), gvk.Kind)}}
	}
	c.schemaless[gvk]++
	return nil
}

func groupVersions(k *schema.Kind) []string {
	var out []string
	for _, v := range k.Versions {
		out = append(out, gvks.GroupVersion{Group: k.GVK.Group, Version: v}.String())
	}
	return out
}

// Schemaless says of which kinds no schema was known, in lines for people.
func (c *Check) Schemaless() []string {
	var out []string
	for gvk, n := range c.schemaless {
		objects := "objects were"
		if n == 1 {
			objects = "object was"
		}
		out = append(out, fmt.Sprintf("no schema is known of %s %s: %d %s not checked", gvk.GroupVersion(), gvk.Kind, n, objects))
	}
	slices.Sort(out)
	return out
}

// encrypted tells of an object that SOPS has encrypted: its values and its own
// field `sops` are no object of the API.
func encrypted(obj *unstructured.Unstructured) bool {
	_, has := obj.Object["sops"].(map[string]any)
	return has
}

// problems are those of one object.
type problems struct {
	obj   *unstructured.Unstructured
	found []Problem
	// mistyped tells that a value is of a wrong type, so that the object cannot be
	// read at all.
	mistyped bool
}

func (p *problems) add(path, message string, unknown bool) {
	at := pointer(p.obj.Object, path)
	if len(p.found) < maxProblems && !madeUp(p.obj.Object, at) {
		p.found = append(p.found, Problem{Field: at, Message: p.hide(message), Unknown: unknown})
	}
}

// hide keeps the values of a Secret out of a message.
func (p *problems) hide(message string) string { return plan.Mask{}.Text(message, p.obj) }

// maxRounds bounds how often an object is held to its types: each time the first
// unknown field of every map is told.
const maxRounds = 20

// types holds the object to the types of its kind.
func (p *problems) types(kind *schema.Kind) {
	rest := p.obj
	for range maxRounds {
		misfits := kind.Misfits(rest)
		next := rest.DeepCopy()
		again := false
		for _, m := range misfits {
			if m.Unknown {
				again = true
				remove(next.Object, steps(pointer(rest.Object, m.Path)))
				p.add(m.Path, typeMessage(m), true)
			}
		}
		if !again {
			for _, m := range misfits {
				p.mistyped = true
				p.add(m.Path, typeMessage(m), false)
			}
			return
		}
		rest = next
	}
}

// typeMessage says a misfit for people, without the value that does not fit.
func typeMessage(m schema.Misfit) string {
	if m.Unknown {
		return "there is no such field"
	}
	message, _, _ := strings.Cut(m.Message, ", got ")
	return message
}

// schema holds a copy of the object, as a server would have read it, to what its
// definition says beside types.
func (p *problems) schema(ctx context.Context, kind *schema.Kind) {
	read := p.obj.DeepCopy()
	if err := kind.Decode(read); err != nil {
		if !p.mistyped {
			p.add("", err.Error(), false)
		}
		return
	}
	for _, e := range kind.Validate(ctx, read, nil) {
		if e.Type != field.ErrorTypeTypeInvalid || !p.mistyped {
			p.add(e.Field, ruleMessage(e), false)
		}
	}
}

// ruleMessage is what a definition says, without the value that it says it of.
func ruleMessage(e *field.Error) string {
	switch {
	case e.Type == field.ErrorTypeRequired && e.Detail == "":
		return "the API asks for it"
	case e.Detail == "":
		return strings.ToLower(e.Type.String())
	case e.Type == field.ErrorTypeNotSupported:
		return "is not one of the " + e.Detail
	}
	return e.Detail
}

func (p *problems) sorted() []Problem {
	slices.SortStableFunc(p.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p.found)
}
