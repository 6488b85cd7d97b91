package preview

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
)

const (
	baseRevision = "main@sha1:1111111111111111111111111111111111111111"
	headRevision = "main@sha1:2222222222222222222222222222222222222222"
)

// side is a fleet with one release that made one Secret from one chart.
func side(revision, version, password, digest string) fleet.Rendered {
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a", "labels": map[string]any{"helm.sh/chart": "db-" + version}},
		"stringData": map[string]any{"password": password},
	}}
	chart := object.Key{Group: object.GroupSource, Kind: "HelmChart", Namespace: "apps", Name: "db"}
	return fleet.Rendered{Revision: revision, Units: []fleet.Unit{
		{Key: object.Key{Group: object.GroupHelm, Kind: "HelmRelease", Namespace: "apps", Name: "db"}, Source: chart, State: fleet.Ready,
			Object:  &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"interval": "1h"}}},
			Release: &fleet.Release{Namespace: "apps", Name: "db", Chart: "db", Version: version},
			Objects: []fleet.Object{{Ref: object.RefOf(made), Value: made}}},
		{Key: chart, State: fleet.Ready, Object: &unstructured.Unstructured{Object: map[string]any{
			"status": map[string]any{"artifact": map[string]any{"digest": digest}}}}},
	}}
}

func TestAlike(t *testing.T) {
	for name, c := range map[string]struct {
		base, head fleet.Rendered
		differ     bool
		warned     bool
	}{
		"drawn at random":                {side(baseRevision, "1.0.0", "x", "d"), side(headRevision, "1.0.0", "y", "d"), false, false},
		"another version":                {side(baseRevision, "1.0.0", "x", "d"), side(headRevision, "1.1.0", "y", "e"), true, false},
		"an edit that is not released":   {side(baseRevision, "1.0.0", "x", "d"), side(headRevision, "1.0.0", "y", "e"), false, true},
		"packed anew from a new commit":  {side(baseRevision, "1.0.0+111111111111", "x", "d"), side(headRevision, "1.0.0+222222222222", "x", "e"), false, false},
		"an edit with its commit's name": {side(baseRevision, "1.0.0+111111111111", "x", "d"), side(headRevision, "1.0.0+333333333333", "y", "e"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, h := Alike(c.base, c.head)
			if got := !sameObjects(b.Units[0].Objects, h.Units[0].Objects); got != c.differ {
				t.Errorf("differ: got %v, want %v", got, c.differ)
			}
			warned := len(h.Units[0].Warnings) > 0 && strings.Contains(h.Units[0].Warnings[0].Message, "is not upgraded")
			if warned != c.warned {
				t.Errorf("warned: got %v, want %v", h.Units[0].Warnings, c.warned)
			}
			if c.base.Units[0].Release.Version != "1.0.0" && c.base.Units[0].Release.Version != "1.0.0+111111111111" {
				t.Error("an argument was changed")
			}
		})
	}
}

// What did not change brings no warning; what changed may.
func TestWarned(t *testing.T) {
	for _, c := range []struct {
		name, password string
		want           int
	}{{"the same", "x", 1}, {"changed", "y", 0}} {
		t.Run(c.name, func(t *testing.T) {
			base, head := side(baseRevision, "1.0.0", "x", "d"), side(headRevision, "1.0.0", c.password, "d")
			head.Units[0].Warnings = []report.Warning{{Message: "careful"}}
			if got := Warned(base, head); len(got.Units[0].Warnings) != c.want || len(base.Units[0].Warnings) != 0 {
				t.Errorf("got %v, want %d; before %v", got.Units[0].Warnings, c.want, base.Units[0].Warnings)
			}
		})
	}
}
