package main

import (
	"fmt"
	"log"
	"regexp"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// A specialiser turns the schema shared by all versions into that of one.
// Rules that not all versions have become CEL rules of the version. They hold
// for new values only: what an object already had, perhaps because it was
// written through another version, passes, so that a write of status or
// finalizers is never refused for it.
type specialiser struct {
	version  string
	siblings []*props // every version's own schema
	texts    *texts
}

// A place says where in the schema a node is.
type place struct {
	path  string
	rules bool // inside spec, and no list or map on the way: old values are known
}

func (s specialiser) apply(shared, own *props) (*props, error) {
	out := shared.DeepCopy()
	return out, s.node(out, own, s.siblings, place{})
}

// node specialises one schema node. own is nil below a field that the version
// did not have.
func (s specialiser) node(n, own *props, siblings []*props, at place) error {
	if err := s.upstreamRules(n, own, siblings); err != nil {
		return fmt.Errorf("%s: %w", at.path, err)
	}
	if own != nil {
		extra, err := s.limits(n, own)
		if err != nil {
			return fmt.Errorf("%s: %w", at.path, err)
		}
		if at.rules {
			n.XValidations = append(n.XValidations, extra...)
		} else if len(extra) > 0 {
			log.Printf("not enforced in %s: %s: %s", s.version, at.path, extra[0].Message)
		}
	}
	return s.children(n, own, siblings, at)
}

func (s specialiser) children(n, own *props, siblings []*props, at place) error {
	for name, child := range n.Properties {
		var ownChild *props
		if own != nil {
			child.Default = nil // another version's default would fill this version's objects
			if c, ok := own.Properties[name]; ok {
				ownChild, child.Default = &c, c.Default
			}
		}
		next := place{at.path + "." + name, at.rules || at.path == "" && name == "spec"}
		err := s.node(&child, ownChild, below(siblings, func(p *props) *props {
			if c, ok := p.Properties[name]; ok {
				return &c
			}
			return nil
		}), next)
		if err != nil {
			return err
		}
		n.Properties[name] = child
	}
	for _, element := range []struct {
		suffix string
		of     func(*props) *props
	}{{"[]", itemsOf}, {"{}", valuesOf}} {
		child := element.of(n)
		if child == nil {
			continue
		}
		var ownChild *props
		if own != nil {
			ownChild = element.of(own)
		}
		next := place{path: at.path + element.suffix}
		if err := s.node(child, ownChild, below(siblings, element.of), next); err != nil {
			return err
		}
	}
	return nil
}

func itemsOf(p *props) *props {
	if p.Items == nil {
		return nil
	}
	return p.Items.Schema
}

func valuesOf(p *props) *props {
	if p.AdditionalProperties == nil {
		return nil
	}
	return p.AdditionalProperties.Schema
}

// below returns the child of every schema that has it.
func below(schemas []*props, child func(*props) *props) []*props {
	var found []*props
	for _, p := range schemas {
		if c := child(p); c != nil {
			found = append(found, c)
		}
	}
	return found
}

// upstreamRules keeps the CEL rules that every version has, and adds those
// that only this version has in their lenient form.
func (s specialiser) upstreamRules(n, own *props, siblings []*props) error {
	common := inAll(siblings, func(p *props) []string {
		var rules []string
		for _, v := range p.XValidations {
			rules = append(rules, v.Rule)
		}
		return rules
	})
	n.XValidations = nil
	for _, rule := range common {
		message, err := s.texts.message(rule)
		if err != nil {
			return err
		}
		n.XValidations = append(n.XValidations, apiextensionsv1.ValidationRule{Rule: rule, Message: message})
	}
	if own == nil {
		return nil
	}
	for _, v := range own.XValidations {
		if contains(common, v.Rule) {
			continue
		}
		message, err := s.texts.message(v.Rule)
		if err != nil {
			return err
		}
		n.XValidations = append(n.XValidations, lenient(v.Rule, message))
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

var selfWord = regexp.MustCompile(`\bself\b`)

// lenient is a rule that a value may go on breaking if it already did.
func lenient(rule, message string) apiextensionsv1.ValidationRule {
	old := selfWord.ReplaceAllString(rule, "oldSelf.value()")
	return apiextensionsv1.ValidationRule{
		Rule:            fmt.Sprintf("(%s) || oldSelf.hasValue() && !(%s)", rule, old),
		Message:         message,
		OptionalOldSelf: &yes,
	}
}

var yes = true

// limits returns, as lenient CEL rules, what own demands and n does not.
func (s specialiser) limits(n, own *props) ([]apiextensionsv1.ValidationRule, error) {
	var rules []apiextensionsv1.ValidationRule
	add := func(rule, format string, args ...any) {
		r := lenient(rule, fmt.Sprintf(format, args...))
		if n.Type == "string" { // comparing is cheap, matching the old value is not
			r.Rule = rule + " || oldSelf.hasValue() && oldSelf.value() == self"
		}
		rules = append(rules, r)
	}
	if own.Pattern != n.Pattern {
		rule := fmt.Sprintf("self.matches(%s)", quote(own.Pattern))
		message, err := s.texts.message(rule)
		if err != nil {
			return nil, err
		}
		add(rule, "%s", message)
	}
	if len(own.Enum) != len(n.Enum) {
		values := strings.ReplaceAll(enumList(own.Enum), `"`, "'")
		add("self in ["+values+"]", "must be one of %s", values)
	}
	bound := func(own, n *int64, op, words string) {
		if own != nil && n == nil || own != nil && *own != *n {
			add(fmt.Sprintf("size(self) %s %d", op, *own), words, *own)
		}
	}
	bound(own.MinLength, n.MinLength, ">=", "must have at least %d characters")
	bound(own.MaxLength, n.MaxLength, "<=", "must have at most %d characters")
	bound(own.MinItems, n.MinItems, ">=", "must have at least %d items")
	bound(own.MaxItems, n.MaxItems, "<=", "must have at most %d items")
	for _, field := range own.Required {
		if contains(n.Required, field) {
			continue
		}
		rule := lenient("has(self."+field+")", field+" is required")
		required := apiextensionsv1.FieldValueRequired
		rule.Reason, rule.FieldPath = &required, "."+field
		rules = append(rules, rule)
	}
	return rules, nil
}

// quote writes a CEL string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func enumList(values []apiextensionsv1.JSON) string {
	var list []string
	for _, v := range values {
		list = append(list, string(v.Raw))
	}
	return strings.Join(list, ", ")
}
