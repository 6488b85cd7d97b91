package helm

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/release"
)

// Templated is an object of a chart and the template that made it, as in
// web/templates/service.yaml; empty where Helm does not say.
type Templated struct {
	Object   *unstructured.Unstructured
	Template string
}

// Render returns what an install of a job would make, hooks and the crds folder
// aside, after the post renderers and in the order of the manifest. It changes
// nothing, and looks up what the templates ask for.
func (d *Driver) Render(ctx context.Context, job Job) ([]Templated, error) {
	r, err := d.start(ctx, job, PlaceOf(job.Object).StorageNamespace)
	if err != nil {
		return nil, err
	}
	if err := r.tooHeavy(); err != nil {
		return nil, err
	}
	conf, err := r.configuration()
	if err != nil {
		return nil, err
	}
	r.serverSide = true
	install := newInstall(conf, r)
	install.DryRunStrategy = action.DryRunServer
	made, err := install.RunWithContext(ctx, r.rendering(), release.CopyValues(job.Values))
	if err != nil {
		return nil, r.lines.hide.err(r.guard.cause(err))
	}
	rel, ok := made.(*relv1.Release)
	if !ok {
		return nil, fmt.Errorf("render %s: Helm returned a %T", job.Object.Name, made)
	}
	return r.templated(rel)
}

// sourceLine is how Helm begins each document of a manifest
// (helm v4.2.4 pkg/action/action.go renderResources).
var sourceLine = regexp.MustCompile(`(?m)^---\n# Source: (.+)\n`)

// templated takes a manifest apart.
func (r *run) templated(rel *relv1.Release) ([]Templated, error) {
	var out []Templated
	begins := sourceLine.FindAllStringSubmatchIndex(rel.Manifest, -1)
	for i, at := range begins {
		end := len(rel.Manifest)
		if i+1 < len(begins) {
			end = begins[i+1][0]
		}
		objects, err := readObjects(strings.NewReader(rel.Manifest[at[1]:end]))
		if err != nil {
			return nil, fmt.Errorf("read manifest of release %s: %w", rel.Name, err)
		}
		for _, obj := range objects {
			out = append(out, Templated{r.placed(obj, rel.Namespace), rel.Manifest[at[2]:at[3]]})
		}
	}
	return out, nil
}
