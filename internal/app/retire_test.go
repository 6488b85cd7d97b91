package app

import (
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/unit"
)

func configMapIn(namespace, group string) object.Key {
	return object.Key{Group: group, Kind: "ConfigMap", Namespace: namespace, Name: "a"}
}

// asking is a unit that asks for objects.
func asking(state fleet.State, keys ...object.Key) fleet.Unit {
	u := fleet.Unit{Key: object.Key{Kind: unit.KustomizationKind, Namespace: "flux-system", Name: "apps"}, State: state, Wanted: []object.Ref{}}
	for _, key := range keys {
		u.Wanted = append(u.Wanted, object.Ref{Key: key})
	}
	return u
}

func TestTheObjectIsNamed(t *testing.T) {
	x, y, other := configMapIn("x", ""), configMapIn("y", ""), configMapIn("y", "example.com")
	r := fleet.Rendered{Units: []fleet.Unit{asking(fleet.Waiting, x, y, other)}}
	for name, want := range map[string]string{
		"ConfigMap/x/a":             "ConfigMap./x/a",
		"configmap/x/a":             "ConfigMap./x/a",
		"ConfigMap./y/a":            "ConfigMap./y/a",
		"ConfigMap.example.com/y/a": "ConfigMap.example.com/y/a",
		"ConfigMap/y/a":             "ConfigMap/y/a can be ConfigMap./y/a, ConfigMap.example.com/y/a: say which",
		"a":                         "a can be ConfigMap/x/a, ConfigMap./y/a, ConfigMap.example.com/y/a: say which",
	} {
		_, key, err := theObject(r, name)
		got := grouped(key)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if u, _, err := theObject(r, "b"); u != nil || err != nil {
		t.Errorf("nothing: got %v, %v", u, err)
	}
}

// What a unit asks for no more must be the object, whatever line was taken for it.
func TestAnEditTakesTheObjectAlone(t *testing.T) {
	x, y := configMapIn("x", ""), configMapIn("y", "")
	before, broken := asking(fleet.Ready, x, y), fleet.Unit{State: fleet.Failed}
	out := &Retired{Object: x, At: "a.yaml:1"}
	for name, c := range map[string]struct {
		after fleet.Unit
		want  string
	}{
		"it alone":  {asking(fleet.Ready, y), ""},
		"another":   {asking(fleet.Ready, x), "would take out ConfigMap./y/a, and not ConfigMap./x/a alone"},
		"both":      {asking(fleet.Ready), "would take out ConfigMap./x/a, ConfigMap./y/a"},
		"nothing":   {asking(fleet.Ready, x, y), "would take out nothing"},
		"not built": {broken, ""}, // the plan says what becomes of it
	} {
		err := out.takes(lost(&before, &c.after))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
