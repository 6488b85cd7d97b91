package change

import (
	"maps"
	"strings"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/plan"
)

// values returns the composed values of a release as they may be shown: what
// comes from a Secret is hidden, even where it is short or a number. Of a Secret
// that is not to be seen nothing is known: then only what the unit says itself
// is shown.
func (s *secrets) values(u *fleet.Unit) any {
	out := s.mask(u.Key).Tree(any(u.Release.Values))
	for _, ref := range references(u) {
		if ref.object.Kind != "Secret" {
			continue
		}
		objs := s.byKey[ref.object]
		switch {
		case ref.target != "":
			out = s.hideAt(out, u.Release.Values, strings.Split(ref.target, "."))
		case len(objs) == 0:
			out = s.hideBut(out, u.Release.Values, specValues(u))
		}
		for _, obj := range objs {
			if ref.values() {
				out = s.hide(out, u.Release.Values, parsed(dataOf(obj)[ref.key]))
			}
		}
	}
	return out
}

// specValues are the values that a unit says itself.
func specValues(u *fleet.Unit) any {
	return submap(submap(u.Object.Object, "spec"), "values")
}

// hide hides in shown, which is clear masked, what is as in secret.
func (s *secrets) hide(shown, clear, secret any) any {
	if at, ok := secret.(map[string]any); ok {
		return s.each(shown, clear, func(key string, shown, clear any) any {
			if below, has := at[key]; has {
				return s.hide(shown, clear, below)
			}
			return shown
		})
	}
	if secret != nil && equal(clear, secret) {
		return s.fingerprint(clear)
	}
	return shown
}

// hideBut hides what is not as in public.
func (s *secrets) hideBut(shown, clear, public any) any {
	if at, ok := public.(map[string]any); ok {
		if _, both := clear.(map[string]any); both {
			return s.each(shown, clear, func(key string, shown, clear any) any { return s.hideBut(shown, clear, at[key]) })
		}
	}
	if public != nil && equal(clear, public) {
		return shown
	}
	if _, ok := clear.(map[string]any); ok {
		return s.each(shown, clear, func(_ string, shown, clear any) any { return s.hideBut(shown, clear, nil) })
	}
	return s.fingerprint(clear)
}

// hideAt hides what stands at a path of Helm's --set; where a step is more than a
// name, all that is below.
func (s *secrets) hideAt(shown, clear any, path []string) any {
	at, ok := clear.(map[string]any)
	if len(path) == 0 || !ok || strings.ContainsAny(path[0], `[\`) && at[path[0]] == nil {
		return s.fingerprint(clear)
	}
	return s.each(shown, clear, func(key string, shown, clear any) any {
		if key == path[0] {
			return s.hideAt(shown, clear, path[1:])
		}
		return shown
	})
}

// each returns a copy of a map with what do makes of each value.
func (s *secrets) each(shown, clear any, do func(key string, shown, clear any) any) any {
	m, _ := shown.(map[string]any)
	values, ok := clear.(map[string]any)
	if m == nil || !ok {
		return shown
	}
	out := maps.Clone(m)
	for key, value := range values {
		if at, has := m[key]; has {
			out[key] = do(key, at, value)
		}
	}
	return out
}

func (s *secrets) fingerprint(clear any) any {
	if text, ok := clear.(string); ok {
		return s.plain.Fingerprint([]byte(text))
	}
	return s.plain.Fingerprint([]byte(plan.ValueOf(clear)))
}
