package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// debugging is what can be shown of an object. Values and variables are shown in
// clear, those of Secrets too: that is what the flag asks for.
type debugging struct {
	status, history bool
	inputs          bool // values of a release, variables of a Kustomization
}

func (p *program) newDebug() *cobra.Command {
	cmd := &cobra.Command{
		Use: "debug", Short: "What an object works with: its status, its final values or variables, its history",
		Example: `  debug helmrelease cache -n apps --show-values
  debug kustomization apps --show-vars`,
	}
	cmd.AddCommand(
		p.newDebugKind(unit.HelmReleaseKind, "values", "the values that the chart gets, those of Secrets in clear", p.values),
		p.newDebugKind(unit.KustomizationKind, "vars", "the variables of postBuild, those of Secrets in clear", p.variables),
	)
	return cmd
}

// inputs prints what an object is made with.
type inputs func(context.Context, world.World, *unstructured.Unstructured) error

func (p *program) newDebugKind(kind, word, usage string, show inputs) *cobra.Command {
	k, d := mustKind(kind), &debugging{}
	cmd := &cobra.Command{
		Use: k.Noun.Name + " [name]", Aliases: k.Noun.Aliases, Short: "What a " + kind + " works with",
		Args: cobra.ExactArgs(1), ValidArgsFunction: p.completeNames(k),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !d.one() {
				return fmt.Errorf("exactly one of --show-status, --show-%s, or --show-history must be set", word)
			}
			ctx, cancel := p.timeout(cmd)
			defer cancel()
			return p.reached(p.debug(ctx, flux.Asked{Kind: k, Namespace: p.namespace(), Name: args[0]}, *d, show))
		},
	}
	cmd.Flags().BoolVar(&d.status, "show-status", false, "the status")
	cmd.Flags().BoolVar(&d.inputs, "show-"+word, false, usage)
	cmd.Flags().BoolVar(&d.history, "show-history", false, "what the status keeps of earlier runs")
	return cmd
}

func (d debugging) one() bool {
	n := 0
	for _, set := range []bool{d.status, d.inputs, d.history} {
		if set {
			n++
		}
	}
	return n == 1
}

func (p *program) debug(ctx context.Context, a flux.Asked, d debugging, show inputs) error {
	w, err := p.cluster()
	if err != nil {
		return err
	}
	obj, err := w.Get(ctx, a.Ref())
	switch {
	case err != nil:
		return err
	case d.inputs:
		return show(ctx, w, obj)
	case d.status:
		return p.documented(flux.StatusLink(a.Kind), obj, flux.StatusText)
	}
	return p.documented(flux.HistoryLink(a.Kind), obj, flux.HistoryText)
}

func (p *program) documented(link string, obj *unstructured.Unstructured, text func(*unstructured.Unstructured) ([]byte, error)) error {
	data, err := text(obj)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Out, "%s\n%s", link, data)
	return err
}

// values prints the values that a release's chart gets.
func (p *program) values(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	hr, err := flux.ReleaseOf(obj)
	if err != nil {
		return err
	}
	found, missing := map[object.Key]map[string][]byte{}, map[object.Key]error{}
	for _, from := range hr.Spec.ValuesFrom {
		key := object.Key{Kind: from.Kind, Namespace: hr.Namespace, Name: from.Name}
		data, err := readData(ctx, w, key)
		switch {
		case err == nil:
			found[key] = data
		case apierrors.IsNotFound(err):
			missing[key] = err
		default:
			return err
		}
	}
	values, err := release.Compose(hr.GetValues(), hr.Spec.ValuesFrom, func(kind, name string) (map[string][]byte, bool) {
		data, ok := found[object.Key{Kind: kind, Namespace: hr.Namespace, Name: name}]
		return data, ok
	})
	var bad *release.ValuesError
	if errors.As(err, &bad) {
		bad.Namespace = hr.Namespace
		if why := missing[object.Key{Kind: bad.Kind, Namespace: hr.Namespace, Name: bad.Name}]; why != nil {
			bad.Err = why // in the API's words, as upstream
		}
	}
	if err != nil {
		return err
	}
	text, err := yaml.Marshal(values)
	if err != nil {
		return err
	}
	_, err = p.Out.Write(text)
	return err
}

// variables prints those of a Kustomization's postBuild, a line each.
func (p *program) variables(ctx context.Context, w world.World, obj *unstructured.Unstructured) error {
	build, found, _ := unstructured.NestedMap(obj.Object, "spec", "postBuild")
	if !found {
		return errors.New("no post build substitutions found")
	}
	vars := map[string]string{}
	from, _, _ := unstructured.NestedSlice(build, "substituteFrom")
	for _, entry := range from {
		fields, _ := entry.(map[string]any)
		data, err := substituted(ctx, w, fields, obj.GetNamespace())
		if err != nil {
			return err
		}
		for name, value := range data {
			vars[name] = string(value)
		}
	}
	inline, _, err := unstructured.NestedStringMap(build, "substitute")
	if err != nil {
		return err
	}
	maps.Copy(vars, inline)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintln(p.Out, name+"="+strings.ReplaceAll(vars[name], "\n", ""))
	}
	return nil
}

// substituted is the data of an entry of substituteFrom; nothing where it is
// missing and may be.
func substituted(ctx context.Context, w world.World, from map[string]any, namespace string) (map[string][]byte, error) {
	kind, _ := from["kind"].(string)
	name, _ := from["name"].(string)
	data, err := readData(ctx, w, object.Key{Kind: kind, Namespace: namespace, Name: name})
	if from["optional"] == true && apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("substitute from '%s/%s' error: %w", kind, name, err)
	}
	return data, nil
}

// readData is the data of a ConfigMap or Secret, decoded.
func readData(ctx context.Context, w world.World, key object.Key) (map[string][]byte, error) {
	obj, err := w.Get(ctx, object.Ref{Key: key, Version: "v1"})
	if err != nil {
		return nil, err
	}
	return flux.DataOf(obj)
}
