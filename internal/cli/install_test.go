package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/memory"
)

// bench runs the verbs of installing against a world in memory, in which
// Deployments never become ready.
type bench struct {
	t        *testing.T
	w        world.World
	in       string
	out, err bytes.Buffer
}

func newBench(t *testing.T) *bench { return &bench{t: t, w: memory.New(memory.Options{})} }

func (b *bench) run(verb func(Env, connector) *cobra.Command, args ...string) error {
	b.t.Helper()
	b.out.Reset()
	b.err.Reset()
	env := Env{In: strings.NewReader(b.in), Out: &b.out, Err: &b.err}
	cmd := verb(env, func(target) (world.World, error) { return b.w, nil })
	cmd.SetArgs(args)
	cmd.SetOut(&b.out)
	cmd.SetErr(&b.err)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(b.t.Context())
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestInstallExportIsWhatInstallApplies(t *testing.T) {
	b := newBench(t)
	b.must(b.run(installCommand, "--export", "--namespace", "gitops"))
	var exported []string
	for _, doc := range strings.Split(strings.TrimPrefix(b.out.String(), "---\n"), "\n---\n") {
		u := &unstructured.Unstructured{}
		b.must(yaml.Unmarshal([]byte(doc), &u.Object))
		exported = append(exported, u.GetKind()+"/"+u.GetName())
	}
	b.must(b.run(installCommand, "--wait=false", "--namespace", "gitops", "--output", "json"))
	var got struct{ Steps []stepJSON }
	b.must(json.Unmarshal(b.out.Bytes(), &got))
	var applied []string
	for _, s := range got.Steps {
		applied = append(applied, s.Kind+"/"+s.Name)
	}
	slices.Sort(exported)
	slices.Sort(applied)
	if !slices.Equal(exported, applied) {
		t.Errorf("exported %v\napplied %v", exported, applied)
	}
}

func TestInstallTwiceSaysSo(t *testing.T) {
	b := newBench(t)
	b.must(b.run(installCommand, "--wait=false"))
	if !strings.Contains(b.out.String(), "created    Deployment/flux-system/leat\n") {
		t.Errorf("got %s", b.out.String())
	}
	b.must(b.run(installCommand, "--wait=false"))
	if got := b.out.String(); !strings.HasPrefix(got, "leat dev is installed in flux-system (") || strings.Count(got, "\n") != 1 {
		t.Errorf("got %s", got)
	}
}

func TestInstallBesideFlux(t *testing.T) {
	b := newBench(t)
	flux := &unstructured.Unstructured{}
	b.must(yaml.Unmarshal([]byte(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: source-controller, namespace: default, labels: {app.kubernetes.io/part-of: flux}}
spec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: manager, image: a}]}}}`), &flux.Object))
	_, err := b.w.Create(t.Context(), flux, "flux")
	b.must(err)
	err = b.run(installCommand, "--wait=false")
	if err == nil || !strings.HasPrefix(err.Error(), "Flux runs here: default/source-controller;") || b.out.Len() > 0 {
		t.Errorf("got %v, printed %s", err, b.out.String())
	}
	b.must(b.run(installCommand, "--wait=false", "--adopt"))
	if !strings.HasPrefix(b.out.String(), "deleted    Deployment/default/source-controller\n") {
		t.Errorf("got %s", b.out.String())
	}
}

func TestInstallWrongUse(t *testing.T) {
	for flag, want := range map[string]string{
		"--deployments=many":  `deployments "many": want leat or flux`,
		"--components=source": `component "source": want some of`,
		"--output=xml":        `--output "xml": want text or json`,
	} {
		err := newBench(t).run(installCommand, flag)
		exit, ok := err.(*Exit)
		if !ok || exit.Code != 2 || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want exit 2: %s", flag, err, want)
		}
	}
}

func TestUninstallAsks(t *testing.T) {
	b := newBench(t)
	b.must(b.run(installCommand, "--wait=false"))
	b.in = "no\n"
	if err := b.run(uninstallCommand); err == nil || err.Error() != "nothing was removed" {
		t.Errorf("got %v", err)
	}
	b.in = ""
	b.must(b.run(uninstallCommand, "--dry-run"))
	if got := b.out.String(); !strings.Contains(got, "deleted    Namespace/flux-system\n") || !strings.HasSuffix(got, "nothing was removed (--dry-run)\n") {
		t.Errorf("got %s", got)
	}
	b.in = "y\n"
	b.must(b.run(uninstallCommand, "--keep-namespace"))
	if !strings.Contains(b.out.String(), "kept       Namespace/flux-system as asked\n") {
		t.Errorf("got %s", b.out.String())
	}
}

// What is installed must start: every argument of every layout is one that
// `leat controller` takes.
func TestControllerTakesTheInstalledArguments(t *testing.T) {
	known := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	(&controllerFlags{}).register(known)
	for _, layout := range []install.Layout{install.OneDeployment, install.LikeFlux} {
		for _, arg := range installedArgs(t, layout) {
			if err := known.Parse([]string{arg}); err != nil {
				t.Errorf("%s: %v", arg, err)
			}
		}
	}
}

func installedArgs(t *testing.T, layout install.Layout) []string {
	t.Helper()
	objs, err := install.Render(install.Options{
		Layout: layout, ActAsControllers: true, OwnNamespaceOnly: true, NoCrossNamespaceRefs: true, NoRemoteBases: true,
		DefaultServiceAccount: "default", LogLevel: "debug",
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, obj := range objs {
		containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
		for _, c := range containers {
			args, _, _ := unstructured.NestedStringSlice(c.(map[string]any), "args")
			all = append(all, args...)
		}
	}
	if len(all) == 0 {
		t.Fatal("no arguments")
	}
	return all
}
