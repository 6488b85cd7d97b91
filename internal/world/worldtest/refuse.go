package worldtest

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func applyOf(s *suite, text string) world.Apply {
	s.Helper()
	return world.Apply{Object: s.parse(text), Manager: "prober"}
}

func inNamespace(s *suite) world.Selection { return world.Selection{Namespace: s.ns} }

var refuseCases = []testcase{
	{"names that are none", func(s *suite) {
		for _, name := range []string{"UPPER", "a_b", "-a", "a.-b"} {
			if _, err := s.w.Create(s.ctx, s.parse(configMap(name, "")), "a"); !apierrors.IsInvalid(err) {
				s.Errorf("%s: got %v, want invalid", name, err)
			}
		}
		for _, name := range []string{"a/b", "..", "a%2fb"} {
			if _, err := s.w.Apply(s.ctx, applyOf(s, configMap(`"`+name+`"`, ""))); err == nil {
				s.Errorf("%s: got no error", name)
			}
		}
	}},
	{"labels that are none", func(s *suite) {
		_, err := s.try("a", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {x: 'not a label'}}}", false)
		if !apierrors.IsInvalid(err) {
			s.Errorf("got %v, want invalid", err)
		}
	}},
	{"no name, no namespace", func(s *suite) {
		for _, k := range []object.Key{{Kind: "ConfigMap", Namespace: s.ns}, {Kind: "ConfigMap", Name: "a"}} {
			if _, err := s.w.Get(s.ctx, object.Ref{Key: k, Version: "v1"}); !apierrors.IsBadRequest(err) {
				s.Errorf("%v: got %v, want bad request", k, err)
			}
		}
	}},
	{"fields that a built-in kind lacks, in an apply", func(s *suite) {
		if _, err := s.try("a", configMap("a", "dta: {k: v}"), false); err == nil || apierrors.IsConflict(err) {
			s.Errorf("got %v, want an error", err)
		}
	}},
	{"values of another type", func(s *suite) {
		if _, err := s.try("a", deployment("replicas: many"), false); err == nil {
			s.Error("apply: got no error")
		}
		if _, err := s.w.Create(s.ctx, s.parse(deployment("replicas: many")), "a"); !apierrors.IsBadRequest(err) {
			s.Errorf("create: got %v, want bad request", err)
		}
	}},
	{"another name than asked for", func(s *suite) {
		u := s.apply("a", configMap("a", ""))
		if _, err := s.w.Patch(s.ctx, patchOf(u, mergePatch, `{"metadata":{"name":"b"}}`)); !apierrors.IsBadRequest(err) {
			s.Errorf("got %v, want bad request", err)
		}
	}},
	{"another uid", func(s *suite) {
		u := s.apply("a", configMap("a", ""))
		if _, err := s.w.Patch(s.ctx, patchOf(u, mergePatch, `{"metadata":{"uid":"b"}}`)); !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) {
			s.Errorf("got %v, want invalid or conflict", err)
		}
	}},
	{"an apply of nobody", func(s *suite) {
		if _, err := s.try("", configMap("a", ""), false); err == nil {
			s.Error("got no error")
		}
	}},
	{"a definition under another name", func(s *suite) {
		definition := s.parse(things)
		definition.SetName("other." + s.ns + ".dev")
		if _, err := s.w.Create(s.ctx, definition, "a"); !apierrors.IsInvalid(err) {
			s.Errorf("got %v, want invalid", err)
		}
	}},
}
