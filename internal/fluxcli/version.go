package fluxcli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newVersion() *cobra.Command {
	var client bool
	output := "yaml"
	cmd := &cobra.Command{
		Use: "version", Short: "The versions of this program and of what runs in the cluster",
		Example: `  version --client
  version -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "yaml" && output != "json" {
				return fmt.Errorf("--output must be json or yaml, not %s", output)
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			v := versions{flux: "v" + Contract}
			if client {
				v.leat = p.Version
			}
			if !client {
				if err := p.clusterVersions(ctx, &v); err != nil {
					return p.reached(err)
				}
			}
			return p.printVersions(v, output)
		},
	}
	cmd.Flags().BoolVar(&client, "client", false, "of this program only")
	cmd.Flags().StringVarP(&output, "output", "o", output, "json or yaml")
	return cmd
}

// versions are what `version` prints: the contract under the name flux, this
// program's own under leat, and the images in the cluster.
type versions struct {
	flux, leat, distribution string
	images                   map[string]string // tag by name
}

func (p *program) clusterVersions(ctx context.Context, v *versions) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	found, err := installation(ctx, w)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	v.distribution = found.Distribution()
	deployments, err := controllers(ctx, w, p.namespace())
	if err != nil {
		return err
	}
	if len(deployments) == 0 {
		return p.advised(fmt.Errorf("no deployments found in %s namespace", p.namespace()), "; leat install, or --client")
	}
	v.images = map[string]string{}
	for _, d := range deployments {
		for _, image := range flux.Images(d) {
			name, tag, err := flux.SplitImage(image)
			if err != nil {
				return err
			}
			v.images[name] = tag
		}
	}
	return nil
}

// printVersions prints YAML in an order of its own, as upstream does.
func (p *program) printVersions(v versions, output string) error {
	lines := [][2]string{{"flux", v.flux}}
	if v.distribution != "" {
		lines = append(lines, [2]string{"distribution", v.distribution})
	}
	for _, name := range slices.Sorted(maps.Keys(v.images)) {
		lines = append(lines, [2]string{name, v.images[name]})
	}
	if _, taken := v.images["leat"]; !taken && v.leat != "" {
		lines = append(lines, [2]string{"leat", v.leat})
	}
	if output == "json" {
		all := map[string]string{}
		for _, line := range lines {
			all[line[0]] = line[1]
		}
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.Out, "%s\n", text)
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(p.Out, "%s: %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

// installation reads what is installed off the labels of a CRD.
func installation(ctx context.Context, w world.World) (flux.Installation, error) {
	key := object.Key{Group: crdKind.Group, Kind: crdKind.Kind, Name: "gitrepositories." + object.GroupSource}
	crd, err := w.Get(ctx, object.Ref{Key: key, Version: crdKind.Version})
	if err != nil {
		return flux.Installation{}, err
	}
	return flux.InstallationOf(crd), nil
}

// controllers are the Deployments of an installation.
func controllers(ctx context.Context, w world.World, namespace string) ([]*unstructured.Unstructured, error) {
	kind := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	return w.List(ctx, kind, world.Selection{Namespace: namespace, Labels: partOfFlux})
}
