package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// check refuses what the spec alone makes impossible.
func (c *kustomizing) check() error {
	if c.k.Spec.Decryption != nil {
		c.log().Debug("decryption is not offered yet; encrypted objects will be refused", "unit", c.k.Key())
	}
	var err error
	if c.checks, err = healthChecks(c.k.Spec.HealthCheckExprs); err != nil {
		return report.Stall(report.ReasonInvalidCEL, err)
	}
	src := c.k.Source()
	if c.Options.NoCrossNamespaceRefs && src.Namespace != c.k.Namespace {
		return report.Stall(report.ReasonAccessDenied, fmt.Errorf(
			"can't access '%s/%s/%s', cross-namespace references have been blocked", src.Kind, src.Namespace, src.Name))
	}
	return nil
}

func healthChecks(exprs []kustomize.CustomHealthCheck) (cel.Health, error) {
	checks := make([]cel.HealthCheck, len(exprs))
	for i, e := range exprs {
		checks[i] = cel.HealthCheck{APIVersion: e.APIVersion, Kind: e.Kind, InProgress: e.InProgress, Failed: e.Failed, Current: e.Current}
	}
	return cel.ParseHealth(checks)
}

// source returns the artifact to build from.
func (c *kustomizing) source(ctx context.Context) (*meta.Artifact, error) {
	key := c.k.Source()
	obj, err := c.view.source(ctx, unit.Ref(key))
	switch {
	case err != nil:
		return nil, report.Retry(report.ReasonArtifactFailed, err)
	case obj == nil:
		return nil, report.Missing(report.ReasonArtifactFailed, fmt.Errorf("Source '%s/%s/%s' not found", key.Kind, key.Namespace, key.Name), key.String())
	}
	status, err := unit.StatusOf(obj)
	if err != nil {
		return nil, report.Wait(report.ReasonArtifactFailed, err, key.String())
	}
	if status.Artifact == nil {
		return nil, report.Wait(report.ReasonArtifactFailed, fmt.Errorf("Source artifact not found, waiting for %s%s", key, why(status)), key.String())
	}
	c.run.Revision, c.run.Origin = status.Artifact.Revision, unit.OriginRevision(status.Artifact)
	return status.Artifact, nil
}

// why says why a source has no artifact, where it says so itself.
func why(s unit.Status) string {
	ready := s.Ready()
	if ready == nil || ready.Status == "True" || ready.Message == "" {
		return ""
	}
	return ": " + ready.Message
}

// build renders the source, or finds it rendered already.
func (c *kustomizing) build(ctx context.Context, art *meta.Artifact) error {
	t, err := c.Trees.Open(ctx, art)
	if err != nil {
		return c.unopened(art, err)
	}
	c.waited("artifact")
	vars, err := c.variables(ctx)
	if err != nil {
		return err
	}
	c.run.Attempted = true
	out, err := c.Builds.Run(ctx, t, c.recipe(vars), build.Options{Remote: c.Remote})
	c.remember(out)
	if err != nil {
		var p *report.Problem // of a remote base
		if errors.As(err, &p) {
			return report.RetryOn(report.ReasonBuildFailed, err, p.On...)
		}
		return report.Retry(report.ReasonBuildFailed, err)
	}
	c.built, c.written = out.Result, out.Result.Objects
	c.built.Objects = apply.Scoped(ctx, c.w, c.built.Objects)
	c.run.Digest = out.Result.Checksum
	if !out.Hit {
		c.run.Why = out.Why
	}
	return nil
}

func (c *kustomizing) remember(out build.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memo.reads = out.Reads
}

func (c *kustomizing) recipe(vars map[string]string) build.Recipe {
	return Recipe(c.k, c.Options, vars)
}

// Recipe is what a Kustomization asks to be built, with the variables that its
// spec and what it refers to define.
func Recipe(k *unit.Kustomization, o Options, vars map[string]string) build.Recipe {
	r := build.RecipeOf(k)
	r.Strict, r.NoRemoteBases = o.Strict, o.NoRemoteBases
	if k.Spec.PostBuild != nil {
		r.Substitute = vars
	}
	return r
}

// variables merges those of substituteFrom, in order, with those of substitute.
func (c *kustomizing) variables(ctx context.Context) (map[string]string, error) {
	if c.k.Spec.PostBuild == nil {
		return nil, nil
	}
	vars := map[string]string{}
	for _, from := range c.k.Spec.PostBuild.SubstituteFrom {
		ref := object.Ref{Key: object.Key{Kind: from.Kind, Namespace: c.k.Namespace, Name: from.Name}, Version: "v1"}
		obj, err := c.view.get(ctx, ref)
		switch {
		case err != nil:
			return nil, report.Retry(report.ReasonBuildFailed, fmt.Errorf("substitute from '%s/%s': %w", from.Kind, from.Name, err))
		case obj == nil && from.Optional:
			continue
		case obj == nil:
			return nil, report.Missing(report.ReasonBuildFailed, fmt.Errorf("substitute from '%s/%s' error: %ss %q not found in namespace %s",
				from.Kind, from.Name, strings.ToLower(from.Kind), from.Name, c.k.Namespace), ref.Key.String())
		}
		data, err := textData(obj)
		if err != nil {
			return nil, report.Wait(report.ReasonBuildFailed, err, ref.Key.String())
		}
		for name, value := range data {
			vars[name] = oneLine(value)
			if from.Kind == "Secret" {
				c.secrets = append(c.secrets, value, vars[name])
			}
		}
	}
	for name, value := range c.k.Spec.PostBuild.Substitute {
		vars[name] = oneLine(value)
	}
	return vars, nil
}

// oneLine strips the newlines of a value, as Flux does.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "") }

// textData returns the data of a ConfigMap, or the decoded data of a Secret.
func textData(obj *unstructured.Unstructured) (map[string]string, error) {
	data, _, err := unstructured.NestedStringMap(obj.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read data of %s: %w", object.KeyOf(obj), err)
	}
	if obj.GetKind() != "Secret" {
		return data, nil
	}
	for name, encoded := range data {
		clear, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("read key %q of %s: not base64", name, object.KeyOf(obj))
		}
		data[name] = string(clear)
	}
	return data, nil
}

// secretData returns the decoded data of a Secret by name; nil when it is missing.
func (v view) secretData(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	obj, err := v.get(ctx, object.Ref{Key: object.Key{Kind: "Secret", Namespace: namespace, Name: name}, Version: "v1"})
	if err != nil || obj == nil {
		return nil, err
	}
	text, err := textData(obj)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(text))
	for key, value := range text {
		out[key] = []byte(value)
	}
	return out, nil
}

// provided tells which objects are not the unit's to apply. In another cluster all
// are: that one may have an engine of its own, brought by this unit.
func (c *kustomizing) provided() func(object.Ref, map[string]string) string {
	if c.site.foreign() {
		return nil
	}
	return Provided
}

// Provided says why an object is the engine's and not the fleet's to apply: the
// CRDs of Flux's groups and Flux's own controllers.
func Provided(ref object.Ref, labels map[string]string) string {
	switch {
	case ref.Group == "apiextensions.k8s.io" && isFluxCRD(ref.Name),
		ref.Group == "apps" && ref.Kind == "Deployment" && labels["app.kubernetes.io/part-of"] == "flux" &&
			strings.HasSuffix(ref.Name, "-controller"),
		ref.Group == "apps" && ref.Kind == "Deployment" && labels["app.kubernetes.io/part-of"] == "flux" && ref.Name == "source-watcher":
		return "provided by Leat"
	}
	return ""
}

func isFluxCRD(name string) bool {
	_, group, _ := strings.Cut(name, ".")
	switch cmp.Or(group, name) {
	case object.GroupSource, object.GroupKustomize, object.GroupHelm, object.GroupNotification, object.GroupImage, object.GroupSourceExtensions:
		return true
	}
	return false
}
