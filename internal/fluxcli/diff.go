package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/flux/yamldiff"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

func (p *program) newDiff() *cobra.Command {
	cmd := &cobra.Command{Use: "diff", Short: "Compare with a cluster, or with an artifact"}
	cmd.AddCommand(p.newDiffKustomization(), p.newDiffArtifact())
	return cmd
}

func (p *program) newDiffKustomization() *cobra.Command {
	f := &buildFlags{}
	var progress bool
	kind, _ := flux.KindOf(unit.KustomizationKind)
	cmd := &cobra.Command{
		Use: "kustomization", Aliases: []string{"ks"}, Short: "What would change in the cluster if a folder were applied",
		Long: `Build the manifests of a folder as the Kustomization of that name would, have the
cluster predict each object, and print what would be created, changed, deleted.
Secrets are masked. Exit code 0: nothing, 1: something would change, 2: an error.`,
		Example: `  diff kustomization apps --path ./apps
  diff kustomization apps --path ./clusters/prod --recursive --local-sources GitRepository/flux-system/flux-system=.`,
		ValidArgsFunction: p.completeNames(kind),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 {
				return errors.New("kustomization name is required")
			}
			if !isDir(f.path) {
				return &Exit{2, fmt.Errorf("invalid resource path %q; pass --path with a folder", f.path)}
			}
			if err := f.checkFile(); err != nil {
				return err
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			if progress {
				defer p.spin(" Kustomization diffing... running dry-run")()
			}
			return p.diff(ctx, args[0], f)
		},
	}
	fs := cmd.Flags()
	f.register(fs)
	fs.BoolVar(&progress, "progress-bar", true, "say on a terminal that it works")
	fs.BoolVar(&f.ignoreNotFound, "ignore-not-found", false, "the Kustomization of --kustomization-file may be new")
	return cmd
}

// spin writes a line on a terminal that goes away at the end.
func (p *program) spin(line string) (end func()) {
	screen, ok := p.Err.(*os.File)
	if !ok || !term.IsTerminal(int(screen.Fd())) {
		return func() {}
	}
	fmt.Fprint(screen, line)
	return func() { fmt.Fprint(screen, "\r\x1b[K") }
}

func (p *program) diff(ctx context.Context, name string, f *buildFlags) error {
	if f.ignoreNotFound && f.file == "" {
		return &Exit{2, errors.New("kustomization file is required when assuming new kustomizations; pass --kustomization-file")}
	}
	w, err := p.cluster()
	if err != nil {
		return &Exit{2, err}
	}
	d := &differ{builder: &builder{program: p, flags: f, cluster: w}}
	report, err := d.unit(ctx, wanted{name: name, namespace: p.namespace(), dir: f.path, top: true, single: true}, 0)
	if err != nil {
		return &Exit{2, p.reached(err)}
	}
	if _, err := fmt.Fprint(p.Out, report.text); err != nil {
		return err
	}
	if report.changed {
		return &Exit{1, &Warning{errors.New("identified at least one change, exiting with non-zero exit code")}}
	}
	return nil
}

// differ compares Kustomizations with a cluster.
type differ struct{ *builder }

// comparison is what came of one.
type comparison struct {
	text    string
	changed bool
	depth   int // of Kustomizations around it
}

func (c *comparison) say(format string, args ...any) { c.text += fmt.Sprintf(format, args...) }

// unit compares a Kustomization: each of its objects, then those that it would
// delete.
func (d *differ) unit(ctx context.Context, want wanted, depth int) (comparison, error) {
	out := comparison{depth: depth}
	if depth > maxNested {
		return out, fmt.Errorf("kustomization %s/%s lies more than %d deep; does it contain itself?", want.namespace, want.name, maxNested)
	}
	made, err := d.build(ctx, want)
	if err != nil {
		return out, err
	}
	rules, err := engine.IgnoreRules(made.kustomization.Spec.Ignore)
	if err != nil {
		return out, err
	}
	var wrong []error
	have := map[object.Key]bool{}
	for _, obj := range made.objects {
		if err := build.Normalize(obj); err != nil {
			return out, fmt.Errorf("normalise %s: %w", object.KeyOf(obj), err)
		}
		created, err := d.object(ctx, obj, rules, &out)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		have[object.KeyOf(obj)] = true
		if d.flags.recursive && !created {
			wrong = append(wrong, d.nested(ctx, obj, made.kustomization, &out))
		}
	}
	if err := errors.Join(wrong...); err != nil {
		return out, err
	}
	return out, d.stale(made.kustomization, have, &out)
}

// object compares one object, and tells whether it would be created.
func (d *differ) object(ctx context.Context, obj *unstructured.Unstructured, rules plan.Ignore, out *comparison) (created bool, err error) {
	key := object.KeyOf(obj)
	live, err := d.cluster.Get(ctx, object.RefOf(obj))
	if err != nil {
		live = nil // the prediction says why, where it matters
	}
	policy := plan.PolicyOf(obj, live)
	if policy.Skip != "" {
		out.say("► %s skipped\n", key)
		return false, nil
	}
	merged, err := d.cluster.Predict(ctx, world.Apply{Object: obj, Manager: object.ManagerKustomize, Force: true})
	switch {
	case err != nil && policy.Force && plan.Replaceable(err), err == nil && live == nil:
		out.say("► %s created\n", key)
		out.changed = true
		return true, nil
	case err != nil:
		return false, fmt.Errorf("%s dry-run failed (%s): %w", key, reasonOf(err), err)
	case len(plan.Drift(live, merged, rules, plan.Mask{})) == 0:
		return false, nil
	}
	return false, d.drifted(obj, live, merged, out)
}

func reasonOf(err error) string {
	if reason := apierrors.ReasonForError(err); reason != "" {
		return string(reason)
	}
	return "Unknown"
}

// drifted tells how an object would change.
func (d *differ) drifted(desired, live, merged *unstructured.Unstructured, out *comparison) error {
	for _, obj := range []*unstructured.Unstructured{live, merged} {
		unstructured.RemoveNestedField(obj.Object, "metadata", "managedFields")
	}
	if desired.GetKind() == "Secret" && desired.GetAPIVersion() == "v1" {
		if same := maskSecret(desired, live, merged); same {
			return nil
		}
	}
	report, err := yamldiff.Report(live.Object, merged.Object)
	if err != nil {
		return err
	}
	out.say("► %s drifted\n%s", object.KeyOf(desired), report)
	out.changed = true
	return nil
}

// nested compares a Kustomization that another one contains.
func (d *differ) nested(ctx context.Context, obj *unstructured.Unstructured, parent *unit.Kustomization, out *comparison) error {
	child, dir, err := d.child(obj, parent)
	if child == nil || err != nil {
		return err
	}
	key := object.KeyOf(obj)
	if child.Spec.KubeConfig != nil {
		out.say("⚠️ %s skipped: diff not supported for remote clusters\n", key)
		return nil
	}
	below, err := d.unit(ctx, wanted{name: child.Name, namespace: child.Namespace, dir: dir, local: child, single: true}, out.depth+1)
	if below.changed {
		out.say("📁 %s changed\n%s", key, below.text)
		out.changed = true
	}
	return err
}

// stale tells which objects of the inventory would be deleted.
func (d *differ) stale(k *unit.Kustomization, have map[object.Key]bool, out *comparison) error {
	if !k.Spec.Prune || k.Status.Inventory == nil {
		return nil
	}
	var gone []object.Key
	for _, entry := range k.Status.Inventory.Entries {
		key, err := object.ParseInventoryID(entry.ID)
		if err != nil {
			return err
		}
		if !have[key] {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, plan.Compare)
	for _, key := range gone {
		out.say("► %s deleted\n", key)
		out.changed = true
	}
	return nil
}

// The masks of values that are the same on both sides, or differ
// (fluxcd/pkg/ssa v0.76.2 sanitize.go).
const (
	maskSame   = "***"
	maskBefore = "*** (before)"
	maskAfter  = "*** (after)"
	maskSOPS   = "*****"
)

// maskSecret hides the values of a Secret on both sides. Of one that SOPS has
// encrypted nobody here knows the values: it is the same where its keys are.
func maskSecret(desired, live, merged *unstructured.Unstructured) (same bool) {
	before, _, _ := unstructured.NestedStringMap(live.Object, "data")
	after, _, _ := unstructured.NestedStringMap(merged.Object, "data")
	unknown := encryptedValues(desired)
	hide := func(obj *unstructured.Unstructured, data, other map[string]string, differs string) {
		masked := map[string]any{}
		for name, value := range data {
			was, both := other[name]
			switch {
			case unknown:
				masked[name] = maskSOPS
			case both && was != value:
				masked[name] = differs
			default:
				masked[name] = maskSame
			}
		}
		if data != nil {
			obj.Object["data"] = masked
		}
		unstructured.RemoveNestedField(obj.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	}
	hide(live, before, after, maskBefore)
	hide(merged, after, before, maskAfter)
	return unknown && len(before) == len(after) && !slices.ContainsFunc(keys(before), func(name string) bool { _, ok := after[name]; return !ok })
}

func keys(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// encryptedValues tells whether a value is the mask of what SOPS has encrypted.
func encryptedValues(obj *unstructured.Unstructured) bool {
	data, err := substitutes(obj)
	if err != nil {
		return false
	}
	for _, value := range data {
		if strings.Contains(value, "**SOPS**") {
			return true
		}
	}
	return false
}
