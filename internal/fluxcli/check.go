package fluxcli

import (
	"context"
	"fmt"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
)

// kubernetesVersions are those that are supported, as upstream says.
const kubernetesVersions = ">=1.33.0-0"

func (p *program) newCheck() *cobra.Command {
	var pre bool
	cmd := &cobra.Command{
		Use: "check", Short: "Whether the cluster will do, and whether the installation is well", Args: cobra.NoArgs,
		Example: `  check --pre
  check`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.check(ctx, pre))
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&pre, "pre", false, "only whether the cluster will do")
	// What is checked is what is there; the lists are taken, as upstream takes them.
	fs.StringSlice("components", install.ComponentNames()[:4], "accepted; what is installed is checked")
	fs.StringSlice("components-extra", nil, "accepted; what is installed is checked")
	fs.Duration("poll-interval", 5*time.Second, "accepted; changes are watched")
	return cmd
}

// check tells one thing after another; each that is not well makes it fail.
func (p *program) check(ctx context.Context, pre bool) error {
	p.act("checking prerequisites")
	w, err := p.cluster()
	if err != nil {
		return fmt.Errorf("Kubernetes client initialization failed: %w", err)
	}
	well, err := p.checkKubernetes()
	if err != nil {
		return err
	}
	if pre {
		if !well {
			return &Exit{Code: 1}
		}
		p.succeed("prerequisites checks passed")
		return nil
	}
	for _, step := range []struct {
		name  string
		check func(context.Context, world.World) bool
	}{
		{"version in cluster", p.checkInstallation}, {"controllers", p.checkControllers}, {"crds", p.checkDefinitions},
	} {
		p.act("checking %s", step.name)
		well = step.check(ctx, w) && well
	}
	if !well {
		p.fail("check failed")
		return &Exit{Code: 1}
	}
	p.succeed("all checks passed")
	return nil
}

func (p *program) checkKubernetes() (bool, error) {
	cfg, err := p.global.config()
	if err != nil {
		return false, err
	}
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return false, err
	}
	served, err := client.ServerVersion()
	if err != nil {
		p.fail("Kubernetes API call failed: %s", p.reached(err))
		return false, nil
	}
	v, err := semver.NewVersion(served.GitVersion)
	if err != nil {
		p.fail("Kubernetes version can't be determined")
		return false, nil
	}
	wanted, err := semver.NewConstraint(kubernetesVersions)
	if err != nil {
		return false, err
	}
	if !wanted.Check(v) {
		p.fail("Kubernetes version %s does not match %s", v.Original(), kubernetesVersions)
		return false, nil
	}
	p.succeed("Kubernetes %s %s", v, kubernetesVersions)
	return true, nil
}

func (p *program) checkInstallation(ctx context.Context, w world.World) bool {
	found, err := installation(ctx, w)
	if err != nil {
		p.fail("checking failed: %s", err)
		return false
	}
	if d := found.Distribution(); d != "" {
		p.succeed("distribution: %s", d)
	}
	p.succeed("bootstrapped: %t", found.Bootstrapped)
	return true
}

func (p *program) checkControllers(ctx context.Context, w world.World) bool {
	deployments, err := controllers(ctx, w, p.namespace())
	if err != nil {
		return true // as upstream: rights to list are no part of the check
	}
	if len(deployments) == 0 {
		p.fail("no controllers found in the '%s' namespace with the label selector '%s=%s'", p.namespace(), install.LabelPartOf, install.PartOf)
		return false
	}
	well := true
	for _, d := range deployments {
		if !p.deployed(ctx, d) {
			p.fail("%s: deployment not ready", d.GetName())
			well = false
		} else {
			p.succeed("%s: deployment ready", d.GetName())
		}
		for _, image := range flux.Images(d) {
			p.act("%s", image)
		}
	}
	return well
}

// deployed waits until a Deployment is as it should be.
func (p *program) deployed(ctx context.Context, d *unstructured.Unstructured) bool {
	ref := object.RefOf(d)
	done := false
	err := p.watch(ctx, watching{kind: ref.GVK(), namespace: ref.Namespace, name: ref.Name}, func(obj *unstructured.Unstructured) (bool, error) {
		settled, err := flux.Settled(obj)
		done = settled && err == nil
		return done, nil
	})
	return err == nil && done
}

func (p *program) checkDefinitions(ctx context.Context, w world.World) bool {
	crds, err := w.List(ctx, crdKind, world.Selection{Labels: partOfFlux})
	if err != nil {
		return true // as upstream: rights to list are no part of the check
	}
	if len(crds) == 0 {
		p.fail("no crds found with the label selector '%s=%s'", install.LabelPartOf, install.PartOf)
		return false
	}
	well := true
	for _, crd := range crds {
		if version, ok := flux.StoredVersion(crd); ok {
			p.succeed("%s", crd.GetName()+"/"+version)
		} else {
			well = false
			p.fail("no stored versions for %s", crd.GetName())
		}
	}
	return well
}
