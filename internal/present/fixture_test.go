package present_test

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/screen"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/world"
)

// canary is the secret of the fixture; no output may hold it.
const canary = "hunter2-canary-7c1e"

var mask = plan.NewMask(secret.Key("a key of the fixture, always the same"))

func parse(text string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		panic(err)
	}
	return mask.Object(u)
}

func kustomization(name string) object.Key {
	return object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: name}
}

func release(ns, name string) object.Key {
	return object.Key{Group: object.GroupHelm, Kind: "HelmRelease", Namespace: ns, Name: name}
}

func at(file string, line int, chain ...fleet.Link) fleet.Origin {
	return fleet.Origin{File: file, Line: line, Chain: chain}
}

func field(path, before, after string, from ...fleet.Origin) change.Field {
	f := change.Field{FieldChange: plan.FieldChange{Path: path, Before: plan.Value(before), After: plan.Value(after)}}
	if len(from) > 0 {
		f.Origin = &from[0]
	}
	return f
}

func workload(kind, name, image string) *unstructured.Unstructured {
	container := func(name, image string) any { return map[string]any{"name": name, "image": image} }
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "apps"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{container(name, image), container("sidecar", "ghcr.io/acme/proxy@sha256:5f7a")},
		}}},
	}}
}

func changed(kind, name string, fields ...change.Field) change.Object {
	image := "ghcr.io/acme/" + name
	out := change.Object{
		Ref: object.RefOf(workload(kind, name, image)), Op: change.Change, Fields: fields,
		Before: workload(kind, name, image+":1.4.2"), After: workload(kind, name, image+":1.4.2"),
		Origin: at("apps/"+name+"/deployment.yaml", 1),
	}
	for _, f := range fields {
		if f.Path == imagePath {
			out.After = workload(kind, name, image+":1.5.0")
		}
	}
	return out
}

func created(text, file string) change.Object {
	u := parse(text)
	return change.Object{Ref: object.RefOf(u), Op: change.Create, After: u, Origin: at(file, 1)}
}

func gone(op change.Op, text, file, why string) change.Object {
	u := parse(text)
	return change.Object{Ref: object.RefOf(u), Op: op, Before: u, Why: why, Origin: at(file, 1)}
}

const (
	imagePath = "/spec/template/spec/containers/0/image"
	labelPath = "/metadata/labels/app.kubernetes.io~1version"
)

var ready = change.Standing{State: fleet.Ready, Reason: "ReconciliationSucceeded"}

// prod is a cluster with everything on it.
func prod() present.Entry {
	return present.Entry{
		Path: "clusters/prod", Set: prodSet(), Findings: prodFindings(),
		Took:  present.Took{Base: 1240 * time.Millisecond, Head: 310 * time.Millisecond},
		Notes: []string{"no schema is known of monitoring.coreos.com/v1 ServiceMonitor (14 objects)"},
	}
}

func prodSet() change.Set {
	return change.Set{
		Base: "main@sha1:1f2e3d4c5b6a79880716253443526170a1b2c3d4", Head: "working tree@sha1:99aa88bb77cc66dd55ee44ff33002211aabbccdd",
		Fidelity: world.OfSchema, All: 214,
		Units: []change.Unit{infra(), database(), cache(), web(), shop()},
		Placeholders: []fleet.Placeholder{{
			Object: object.Ref{Key: object.Key{Kind: "Secret", Namespace: "flux-system", Name: "cluster-vars"}, Version: "v1"},
			Keys:   []string{"DOMAIN", "TOKEN"}, By: []object.Key{kustomization("apps"), kustomization("infrastructure")},
		}},
		Causes: prodCauses(),
		After: fleet.Rendered{Units: []fleet.Unit{{
			Key: object.Key{Group: object.GroupSource, Kind: "HelmRepository", Namespace: "flux-system", Name: "acme"}, Origin: at("infrastructure/sources/acme.yaml", 1),
		}}},
	}
}

// prodCauses are one repository that forty releases hang on, and one that was
// there before.
func prodCauses() []change.Cause {
	repository := change.Cause{Cause: screen.Cause{
		Unit: "HelmRepository/flux-system/acme", State: screen.Failed, Reason: "ArtifactFailed",
		Message: "fetch https://charts.acme.example/index.yaml: no such host; pass --fetch or --mirror",
	}}
	for i := range 40 {
		repository.Blocking = append(repository.Blocking, release("apps", fmt.Sprintf("tenant-%02d", i)).String())
	}
	return []change.Cause{repository, {Old: true, Cause: screen.Cause{
		Unit: "Secret/flux-system/age-key", State: screen.Waiting, Reason: "Missing",
		Message: "Secret/flux-system/age-key is missing; pass it with --input FILE", Blocking: []string{"Kustomization/flux-system/vault"},
	}}}
}

func infra() change.Unit {
	return change.Unit{
		Key: kustomization("infrastructure"), Parent: kustomization("flux-system"), Op: change.Change, Before: ready, After: ready,
		Origin: at("clusters/prod/infrastructure.yaml", 1),
		Spec: []change.Field{
			field("/spec/interval", `"10m"`, `"1h"`, at("clusters/prod/infrastructure.yaml", 8)),
			field("/spec/prune", `true`, `false`, at("clusters/prod/infrastructure.yaml", 12)),
		},
		Objects: []change.Object{
			created("{apiVersion: v1, kind: Namespace, metadata: {name: reports}}", "infrastructure/namespaces.yaml"),
			{
				Ref: object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "infra", Name: "nginx"}, Version: "v1"}, Op: change.Change,
				Fields: []change.Field{
					field("/data/nginx.conf", `"worker_processes 1;\nevents {}\nhttp {\n  server {\n    listen 80;\n    root /srv;\n    index index.html;\n  }\n}\n"`,
						`"worker_processes 1;\nevents {}\nhttp {\n  server {\n    listen 8080;\n    root /srv;\n    index index.html;\n    gzip on;\n  }\n}\n"`,
						at("infrastructure/nginx/nginx.conf", 5, fleet.Link{Kind: "generator", File: "infrastructure/nginx/kustomization.yaml", Line: 6})),
					field("/data/WORKERS", ``, `"4"`, at("infrastructure/nginx/kustomization.yaml", 9)),
				},
				Origin: at("infrastructure/nginx/kustomization.yaml", 4),
			},
			{
				Ref: object.Ref{Key: object.Key{Kind: "Secret", Namespace: "infra", Name: "registry"}, Version: "v1"}, Op: change.Change,
				Before: parse("{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {password: before-" + canary + "}}"),
				After:  parse("{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {password: " + canary + "}}"),
				Fields: []change.Field{field("/data/password", `"`+mask.Fingerprint([]byte("before-"+canary))+`"`, `"`+mask.Fingerprint([]byte(canary))+`"`,
					at("infrastructure/registry.sops.yaml", 7))},
			},
			created("{apiVersion: v1, kind: Secret, metadata: {name: fresh, namespace: infra}, stringData: {password: "+canary+"}}", "infrastructure/fresh.yaml"),
			gone(change.Orphan, "{apiVersion: v1, kind: Service, metadata: {name: legacy, namespace: infra}}", "infrastructure/legacy.yaml", "prune is off"),
		},
	}
}

func database() change.Unit {
	immutable := change.Object{
		Ref: object.Ref{Key: object.Key{Group: "apps", Kind: "StatefulSet", Namespace: "db", Name: "postgres"}, Version: "v1"}, Op: change.Refuse,
		Why:    "spec.volumeClaimTemplates is immutable",
		Fields: []change.Field{field("/spec/volumeClaimTemplates/0/spec/resources/requests/storage", `"100Gi"`, `"50Gi"`, at("database/postgres.yaml", 44))},
		Origin: at("database/postgres.yaml", 1),
	}
	replaced := immutable
	replaced.Ref.Kind, replaced.Ref.Name, replaced.Op, replaced.Why = "Job", "migrate", change.Replace, "spec.template is immutable, and force is on"
	replaced.Ref.Group, replaced.Fields = "batch", []change.Field{field("/spec/template/spec/containers/0/args", `["up"]`, `["up","--all"]`)}
	failed := change.Standing{State: fleet.Failed, Reason: "ReconciliationFailed", Message: "StatefulSet/db/postgres: spec.volumeClaimTemplates is immutable"}
	return change.Unit{
		Key: kustomization("database"), Parent: kustomization("flux-system"), Op: change.Change, Before: ready, After: failed,
		Origin: at("clusters/prod/database.yaml", 1),
		Objects: []change.Object{
			immutable, replaced,
			{
				Ref: object.Ref{Key: object.Key{Kind: "Service", Namespace: "db", Name: "postgres"}, Version: "v1"}, Op: change.Move,
				Why: "from Kustomization/flux-system/infrastructure", Origin: at("database/service.yaml", 1),
			},
			gone(change.Delete, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: archive, namespace: db}}", "database/archive.yaml", ""),
		},
	}
}

func cache() change.Unit {
	return change.Unit{
		Key: release("apps", "cache"), Parent: kustomization("apps"), Op: change.Change, Before: ready, After: ready,
		Origin: at("apps/cache/release.yaml", 1),
		Release: &change.Release{
			Namespace: "apps", Name: "cache", Op: change.Change,
			Chart: [2]string{"redis", "redis"}, Version: [2]string{"20.1.0", "21.0.3"},
			Values: []change.Field{
				field("/auth/password", `"secret:11aa22bb"`, `"secret:33cc44dd"`),
				field("/replica/resources", ``, `{"limits":{"memory":"256Mi"},"requests":{"cpu":"50m"}}`, at("apps/cache/values.yaml", 14)),
			},
		},
		Objects: []change.Object{
			changed("StatefulSet", "redis", field(labelPath, `"20.1"`, `"21.0"`), field(imagePath, `"ghcr.io/acme/redis:1.4.2"`, `"ghcr.io/acme/redis:1.5.0"`)),
			changed("Service", "redis", field(labelPath, `"20.1"`, `"21.0"`)),
			changed("ConfigMap", "redis", field(labelPath, `"20.1"`, `"21.0"`), field("/data/loglevel", `"notice"`, ``)),
			changed("ServiceAccount", "redis", field(labelPath, `"20.1"`, `"21.0"`)),
		},
		Warnings: []report.Warning{{Reason: "Floating", Message: "chart redis names no exact version (>=20): what is installed may change without a commit", At: "apps/cache/release.yaml:11"}},
	}
}

func web() change.Unit {
	chain := []fleet.Link{
		{Kind: "base", File: "apps/base/web/deployment.yaml", Line: 22},
		{Kind: "transformer", File: "apps/prod/kustomization.yaml", Line: 9, Note: "images: web"},
	}
	u := change.Unit{
		Key: kustomization("apps"), Parent: kustomization("flux-system"), Op: change.Change, Before: ready, After: ready,
		Origin: at("clusters/prod/apps.yaml", 1),
		Objects: []change.Object{changed("Deployment", "web",
			field("/spec/replicas", `2`, `0`, at("apps/prod/patch.yaml", 7, fleet.Link{Kind: "base", File: "apps/base/web/deployment.yaml", Line: 8})),
			field(imagePath, `"ghcr.io/acme/web:1.4.2"`, `"ghcr.io/acme/web:1.5.0"`, at("apps/prod/kustomization.yaml", 9, chain...)),
			field("/spec/template/spec/containers/1/env", `[{"name":"A","value":"1"},{"name":"B","value":"2"}]`, `[{"name":"A","value":"1"},{"name":"B","value":"3"},{"name":"C","value":"4"}]`),
		)},
	}
	for i := range 40 {
		u.Objects = append(u.Objects, changed("Deployment", fmt.Sprintf("worker-%02d", i), field("/spec/minReadySeconds", ``, `10`, at("apps/base/all.yaml", 3))))
	}
	return u
}

// shop is the same in all clusters.
func shop() change.Unit {
	return change.Unit{
		Key: kustomization("shop"), Parent: kustomization("flux-system"), Op: change.Create, After: ready,
		Origin: at("clusters/base/shop.yaml", 1),
		Objects: []change.Object{
			created("{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: shop}, spec: {ports: [{port: 80}]}}", "apps/shop/service.yaml"),
			created("{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: shop}, spec: {template: {spec: {containers: [{name: shop, image: shop}]}}}}", "apps/shop/deployment.yaml"),
		},
	}
}

func prodFindings() []finding.Finding {
	ref := func(group, kind, ns, name string) object.Ref {
		return object.Ref{Key: object.Key{Group: group, Kind: kind, Namespace: ns, Name: name}, Version: "v1"}
	}
	return []finding.Finding{
		{
			Rule: "replicas-zero", Severity: finding.Warning, Unit: kustomization("apps"), Object: ref("apps", "Deployment", "apps", "web"),
			Field: "/spec/replicas", Message: "no replica is left (2 → 0): nothing serves", At: "apps/prod/patch.yaml:7",
		},
		{
			Rule: "data-loss", Severity: finding.Danger, Unit: kustomization("database"), Object: ref("", "PersistentVolumeClaim", "db", "archive"),
			Message: "would be pruned, and its volume with it", At: "database/archive.yaml:1",
		},
		{
			Rule: "immutable", Severity: finding.Danger, Unit: kustomization("database"), Object: ref("apps", "StatefulSet", "db", "postgres"),
			Field: "/spec/volumeClaimTemplates", Message: "spec.volumeClaimTemplates cannot change; the API will refuse it", At: "database/postgres.yaml:44",
		},
		{Rule: "prune-off", Severity: finding.Info, Unit: kustomization("infrastructure"), Message: "what leaves Git stays in the cluster", At: "clusters/prod/infrastructure.yaml:12"},
		shopFinding(),
		{Rule: "latest", Severity: finding.Warning, Unit: kustomization("monitoring"), Object: ref("apps", "Deployment", "mon", "old"), Message: "image busybox has no tag", Old: true},
	}
}

func shopFinding() finding.Finding {
	return finding.Finding{
		Rule: "latest", Severity: finding.Warning, Unit: kustomization("shop"),
		Object:  object.Ref{Key: object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "shop"}, Version: "v1"},
		Message: "image shop has no tag: what runs may change without a commit", At: "apps/shop/deployment.yaml:1",
	}
}

func staging() present.Entry {
	return present.Entry{
		Path: "clusters/staging", Findings: []finding.Finding{shopFinding()},
		Took: present.Took{Base: 900 * time.Millisecond, Head: 120 * time.Millisecond},
		Set: change.Set{
			Base: "main@sha1:1f2e3d4c5b6a79880716253443526170a1b2c3d4", Head: "working tree@sha1:99aa88bb77cc66dd55ee44ff33002211aabbccdd",
			Fidelity: world.OfSchema, All: 180,
			Units: []change.Unit{shop(), {
				Key: kustomization("tenants"), Op: change.Unknown, Before: ready,
				After: change.Standing{State: fleet.NotRendered, Message: "its source GitRepository/flux-system/tenants is out of reach", On: []string{"GitRepository/flux-system/tenants"}},
			}},
		},
	}
}

// quiet is a cluster in which nothing changes.
func quiet() present.Entry {
	return present.Entry{
		Path: "clusters/dev", Took: present.Took{Base: 700 * time.Millisecond, Head: time.Millisecond},
		Set: change.Set{Base: "main@sha1:1f2e3d4c", Head: "main@sha1:1f2e3d4c", Fidelity: world.Exact, All: 96},
	}
}

func fixture(t testing.TB) present.Document {
	t.Helper()
	return present.Make(present.Plan{Tool: "leat v0.4.0", Entries: []present.Entry{prod(), staging(), quiet()}})
}
