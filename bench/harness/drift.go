package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// kubectl is the field manager of a person who edits by hand: what it adds is
// taken over and removed, as Flux does.
const kubectl = "kubectl-edit"

// drift is one way in which an object can leave what Git says.
type drift struct {
	name  string
	kind  kube.Kind
	patch string // a JSON patch when it starts with "[", else a merge patch; empty deletes
	apply string // the field manager of a forced server-side apply of this patch
	extra string // dotted path of a field that Git does not set, which must go
	owner bool   // the owner label must be back, too
}

// drifts are the kinds of drift that the row makes, one after the other.
var drifts = []drift{
	{name: "Deployment: replicas", kind: kube.Deployments, patch: `{"spec":{"replicas":1}}`},
	{name: "Deployment: image", kind: kube.Deployments, patch: `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"example.com/other:1"}]`},
	{name: "Deployment: value in env", kind: kube.Deployments, patch: `[{"op":"replace","path":"/spec/template/spec/containers/0/env/0/value","value":"drift"}]`},
	{name: "Deployment: env removed", kind: kube.Deployments, patch: `[{"op":"remove","path":"/spec/template/spec/containers/0/env"}]`},
	{name: "Deployment: argument removed", kind: kube.Deployments, patch: `[{"op":"remove","path":"/spec/template/spec/containers/0/command/3"}]`},
	{name: "Deployment: probe removed", kind: kube.Deployments, patch: `[{"op":"remove","path":"/spec/template/spec/containers/0/livenessProbe"}]`},
	{name: "Deployment: label changed", kind: kube.Deployments, patch: `{"metadata":{"labels":{"app.kubernetes.io/part-of":"drift"}}}`},
	{name: "Deployment: annotation removed", kind: kube.Deployments, patch: `{"metadata":{"annotations":{"leat.dev/owner":null}}}`},
	{name: "Deployment: label added by kubectl", kind: kube.Deployments, patch: `{"metadata":{"labels":{"added-by-hand":"yes"}}}`, extra: "metadata.labels.added-by-hand"},
	{name: "Deployment: forced apply of another manager", kind: kube.Deployments, patch: `{"spec":{"replicas":1}}`, apply: "intruder"},
	{name: "Deployment: deleted", kind: kube.Deployments},
	{name: "Service: port", kind: kube.Services, patch: `[{"op":"replace","path":"/spec/ports/0/port","value":9999}]`},
	{name: "Service: selector", kind: kube.Services, patch: `{"spec":{"selector":{"app.kubernetes.io/name":"drift"}}}`},
	{name: "Service: port added by kubectl", kind: kube.Services, patch: `[{"op":"add","path":"/spec/ports/-","value":{"name":"more","port":1234}}]`},
	{name: "Service: owner label removed", kind: kube.Services, patch: `{"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null,"kustomize.toolkit.fluxcd.io/namespace":null}}}`, owner: true},
	{name: "Service: deleted", kind: kube.Services},
	{name: "Ingress: host", kind: kube.Ingresses, patch: `[{"op":"replace","path":"/spec/rules/0/host","value":"drift.example.com"}]`},
	{name: "Ingress: rules replaced", kind: kube.Ingresses, patch: `{"spec":{"rules":[{"host":"drift.example.com"}]}}`},
	{name: "ServiceAccount: field flipped", kind: kube.ServiceAccounts, patch: `{"automountServiceAccountToken":true}`},
	{name: "ServiceAccount: deleted", kind: kube.ServiceAccounts},
}

// make makes the drift.
func (d drift) make(ctx context.Context, c *kube.Client, t kube.Target) error {
	switch {
	case d.patch == "":
		return c.Delete(ctx, t)
	case d.apply != "":
		return c.ApplyAs(ctx, map[string]any{
			"apiVersion": t.Kind.APIVersion, "kind": t.Kind.Kind,
			"metadata": map[string]any{"namespace": t.Namespace, "name": t.Name},
			"spec":     map[string]any{"replicas": 1},
		}, d.apply)
	case strings.HasPrefix(d.patch, "["):
		return c.Patch(ctx, t, kube.JSONPatch, d.patch, kubectl)
	default:
		return c.Patch(ctx, t, kube.MergePatch, d.patch, kubectl)
	}
}

// corrected returns the test whether an object is as Git says again.
func (d drift) corrected(want map[string]any) func(map[string]any) bool {
	same := asGit(want)
	return func(live map[string]any) bool {
		if live == nil || !same(live) || d.extra != "" && field(live, d.extra) != nil {
			return false
		}
		return !d.owner || labels(live)["kustomize.toolkit.fluxcd.io/name"] != nil
	}
}

func field(o map[string]any, path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return o[name]
	}
	sub, _ := o[name].(map[string]any)
	return field(sub, rest)
}

func labels(o map[string]any) map[string]any {
	l, _ := field(o, "metadata.labels").(map[string]any)
	return l
}

// measureDrift makes each drift, on app after app, and notes how long it stays.
func measureDrift(ctx context.Context, l *lab) (Result, error) {
	return l.driftAll(ctx, "drift", drifts)
}

func (l *lab) driftAll(ctx context.Context, row string, all []drift) (Result, error) {
	return l.phase(ctx, row, func(ctx context.Context, r *Result) error {
		var took []time.Duration
		for k, d := range all {
			t, err := l.measureOneDrift(ctx, d, k%l.fleet.Size())
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			one := Drift{Name: d.name, Seconds: t.Seconds(), Corrected: t > 0}
			if one.Corrected {
				took = append(took, t)
			}
			r.Drifts = append(r.Drifts, one)
		}
		r.times(took)
		return nil
	})
}

// measureOneDrift returns how long the drift stayed, counted from before it was
// asked for; 0 when it was still there at the end of --drift-wait.
func (l *lab) measureOneDrift(ctx context.Context, d drift, i int) (time.Duration, error) {
	t, want, err := l.manifest(i, d.kind)
	if err != nil {
		return 0, err
	}
	ok := d.corrected(want)
	s := l.watchOne(ctx, t, ok, func(live map[string]any) bool { return !ok(live) }, ok)
	defer s.close()
	if _, err := s.wait(ctx, 0); err != nil {
		return 0, fmt.Errorf("%s is not as Git says before the drift: %w", t.Name, err)
	}
	start := time.Now()
	if err := d.make(ctx, l.kube, t); err != nil {
		return 0, err
	}
	if _, err := s.wait(ctx, 1); err != nil {
		return 0, fmt.Errorf("the drift of %s did not show: %w", t.Name, err)
	}
	short, cancel := context.WithTimeout(ctx, l.driftWait)
	defer cancel()
	at, err := s.wait(short, 2)
	if err != nil && ctx.Err() == nil {
		return 0, l.undo(ctx, t, want)
	}
	return at.Sub(start), err
}

// undo makes anew what an engine did not correct, so that later rows start from
// what Git says. An apply would not do: it cannot rename what a list is keyed by.
func (l *lab) undo(ctx context.Context, t kube.Target, want map[string]any) error {
	l.say("%s %s was not corrected within %v", t.Kind.Kind, t.Name, l.driftWait)
	if err := l.kube.Delete(ctx, t); err != nil && !kube.IsStatus(err, http.StatusNotFound) {
		return err
	}
	return l.kube.Apply(ctx, want)
}
