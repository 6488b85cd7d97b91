package preview_test

import (
	"reflect"
	"testing"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/preview"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/world"
)

func TestRehearsed(t *testing.T) {
	key := func(name string) object.Key {
		return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "a", Name: name}
	}
	holding := func(u fleet.Unit, values ...string) fleet.Unit {
		for _, v := range values {
			u.Objects = append(u.Objects, fleet.Object{Ref: object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "a", Name: v}}, Assumed: true})
		}
		return u
	}
	unit := func(name string, s fleet.State) fleet.Unit { return fleet.Unit{Key: key(name), State: s} }
	child := unit("child", fleet.Ready)
	child.Parent = key("lost")
	lost := unit("lost", fleet.Failed)
	lost.On = []string{report.Remedy("https://a")}
	after := unit("after", fleet.Waiting)
	after.On = []string{key("lost").String()}
	waits := unit("waits", fleet.Waiting)
	waits.Reason = report.ReasonProgressing
	refused := holding(unit("refused", fleet.Failed), "old")
	refused.Message = "ConfigMap/a/drafted dry-run failed (Forbidden): exceeded quota:\nfew"
	drafted := fleet.Rendered{Units: []fleet.Unit{
		holding(unit("fine", fleet.Ready), "drafted"), holding(unit("refused", fleet.Ready), "drafted"), holding(unit("waits", fleet.Ready), "drafted"),
		unit("lost", fleet.NotRendered), child, holding(unit("after", fleet.Ready), "drafted"), unit("unmade", fleet.Ready),
	}}
	real := fleet.Rendered{Units: []fleet.Unit{
		holding(unit("fine", fleet.Ready), "seen"), refused, holding(waits, "seen"), lost, after, holding(unit("own", fleet.Ready), "seen"),
	}}
	got, kept := preview.Rehearsed(preview.Sides{drafted, drafted}, preview.Sides{real, real})
	if want := []object.Key{key("after"), key("child"), key("lost")}; !reflect.DeepEqual(kept, want) {
		t.Errorf("not rehearsed: got %v, want %v", kept, want)
	}
	type row struct {
		state fleet.State
		holds string
	}
	rows := map[string]row{}
	for _, u := range got[1].Units {
		r := row{state: u.State}
		for _, o := range u.Objects {
			r.holds += o.Ref.Name
		}
		rows[u.Key.Name] = r
	}
	want := map[string]row{
		"fine": {fleet.Ready, "seen"}, "refused": {fleet.Failed, "drafted"}, "waits": {fleet.Waiting, "seen"}, "own": {fleet.Ready, "seen"},
		"lost": {fleet.NotRendered, ""}, "child": {fleet.Ready, ""}, "after": {fleet.Ready, "drafted"},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("got %v, want %v", rows, want)
	}
	if why := got[1].Unit(key("refused")).Objects[0].Refused; why != "(Forbidden): exceeded quota: few" {
		t.Errorf("what was refused says %q", why)
	}
	if why := got[1].Unit(key("fine")).Objects[0].Refused; why != "" {
		t.Errorf("what was taken says %q", why)
	}
	if got[1].Fidelity != world.PartlyRehearsed {
		t.Errorf("fidelity %q, want %q", got[1].Fidelity, world.PartlyRehearsed)
	}
	// What came within reach is rehearsed at head.
	found := fleet.Rendered{Units: []fleet.Unit{holding(unit("lost", fleet.Ready), "drafted")}}
	reached := fleet.Rendered{Units: []fleet.Unit{holding(unit("lost", fleet.Ready), "seen")}}
	got, kept = preview.Rehearsed(preview.Sides{drafted, found}, preview.Sides{real, reached})
	if u := got[1].Unit(key("lost")); len(kept) > 0 || u.Objects[0].Ref.Name != "seen" || got[0].Unit(key("lost")).State != fleet.NotRendered {
		t.Errorf("got %v, and %v at head", kept, u)
	}
	if _, kept := preview.Rehearsed(preview.Sides{}, preview.Sides{}); kept != nil {
		t.Errorf("of nothing: %v", kept)
	}
}
