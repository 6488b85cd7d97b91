package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/leat-dev/leat/bench/compare"
	"github.com/leat-dev/leat/bench/kube"
)

// verify reads the objects of all apps from the API server and compares each
// with what Git holds at the head. It is called when the engine says that all
// units are Ready there.
func (l *lab) verify(ctx context.Context) error {
	live, err := l.readApps(ctx)
	if err != nil {
		return err
	}
	var wrong []string
	for i := range l.fleet.Size() {
		manifests, err := l.repo.Manifests(i)
		if err != nil {
			return err
		}
		for _, want := range manifests {
			id := identity(want)
			if d := compare.Objects(want, live[id]); len(d) > 0 {
				wrong = append(wrong, fmt.Sprintf("  %s: %s", id, strings.Join(d, "; ")))
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the engine says Ready at %s, and %d objects are not as Git says:\n%s",
			l.repo.Revision(), len(wrong), strings.Join(wrong[:min(len(wrong), maxShown)], "\n"))
	}
	return nil
}

// appKinds are the kinds of an app's objects.
var appKinds = []kube.Kind{kube.Deployments, kube.Ingresses, kube.Services, kube.ServiceAccounts}

func (l *lab) readApps(ctx context.Context) (map[string]map[string]any, error) {
	live := map[string]map[string]any{}
	for _, namespace := range l.fleet.Namespaces() {
		for _, kind := range appKinds {
			items, err := l.kube.List(ctx, kind, namespace)
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				o := map[string]any{}
				if err := json.Unmarshal(item, &o); err != nil {
					return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
				}
				o["apiVersion"], o["kind"] = kind.APIVersion, kind.Kind // lists leave them out
				live[identity(o)] = o
			}
		}
	}
	return live, nil
}

func identity(o map[string]any) string {
	namespace, name := kube.Name(o)
	return fmt.Sprintf("%v %s/%s", o["kind"], namespace, name)
}

// manifest returns the object of app i of a kind, as Git holds it, and its name
// in the API.
func (l *lab) manifest(i int, k kube.Kind) (kube.Target, map[string]any, error) {
	manifests, err := l.repo.Manifests(i)
	if err != nil {
		return kube.Target{}, nil, err
	}
	for _, o := range manifests {
		if o["kind"] == k.Kind {
			namespace, name := kube.Name(o)
			return kube.Target{Kind: k, Namespace: namespace, Name: name}, o, nil
		}
	}
	return kube.Target{}, nil, fmt.Errorf("app %d has no %s", i, k.Kind)
}

// asGit returns the test whether a live object is what Git says.
func asGit(want map[string]any) func(map[string]any) bool {
	return func(live map[string]any) bool { return len(compare.Objects(want, live)) == 0 }
}
