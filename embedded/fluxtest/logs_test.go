package fluxtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubectl/pkg/cmd/logs"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/cli"
)

// logsNamespace is where the Deployments of `leat install --deployments=flux` stand,
// out of the way of the transcripts.
const logsNamespace = "controllers"

// The Deployments that leat install --deployments=flux makes have the lines of the
// engine that runs, each those of its kinds: for kubectl logs (seed 4's lines), for
// flux logs and for leat logs. A workload has the story of its simulation.
func TestLogsOfControllers(t *testing.T) {
	kubeconfig := up(t)
	t.Setenv("KUBECONFIG", kubeconfig)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range fluxDeployments(t, client) {
		kubetest.Await(t, client.AppsV1().RESTClient(), "deployments", logsNamespace, d, func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas > 0 })
	}
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), logsNamespace, metav1.DeleteOptions{}) // the cluster goes anyway
	})
	for line, want := range map[string][]string{
		"flux logs -A --flux-namespace " + logsNamespace:                                  {" info Kustomization/apps.flux-system - ", " GitRepository/flux-system.flux-system - "},
		"flux logs -A --kind Kustomization --tail 1000 --flux-namespace " + logsNamespace: {" info Kustomization/apps.flux-system - "},
		"leat logs --kind GitRepository --since 1h --flux-namespace " + logsNamespace:     {" GitRepository/flux-system.flux-system - "},
		"leat logs -n " + logsNamespace + " deployment/kustomize-controller":              {`"controllerKind":"Kustomization"`},
	} {
		got := ours(line)
		for _, text := range want {
			if got.code != 0 || !strings.Contains(got.out, text) {
				t.Errorf("%s: %d %s\n%.2000s\nwant %q", line, got.code, got.err, got.out, text)
			}
		}
	}
	followsPodsThatCome(t, client)
	for controller, kind := range map[string]string{"kustomize-controller": "Kustomization", "source-controller": "GitRepository"} {
		out, err := kubectlLogs(t, kubeconfig, "deploy/"+controller)
		if err != nil || !strings.Contains(out, `"controllerKind":"`+kind+`"`) || strings.Contains(out, `"controllerKind":"HelmRelease"`) {
			t.Errorf("kubectl logs deploy/%s: %v\n%.2000s", controller, err, out)
		}
		out, err = kubectlLogs(t, kubeconfig, "deploy/"+controller, "--tail=1", "--timestamps", "--since=1h")
		if stamp, _, _ := strings.Cut(out, " "); err != nil || strings.Count(out, "\n") != 1 || !isTime(stamp) {
			t.Errorf("kubectl logs --tail=1 deploy/%s: %v\n%s", controller, err, out)
		}
		if _, err := kubectlLogs(t, kubeconfig, "-l", "app="+controller, "--all-containers", "--prefix"); err != nil {
			t.Errorf("kubectl logs -l app=%s: %v", controller, err)
		}
	}
}

// With -f, pods that are not there yet are waited for.
func followsPodsThatCome(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	none, labels := int32(0), map[string]string{"app": "later"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "later"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.example.com/later:1"}, {Name: "side", Image: "registry.example.com/side:1"}}},
			},
		},
	}
	if _, err := client.AppsV1().Deployments(logsNamespace).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waits, wrote := newHeard("waiting for pods of Deployment/later"), newHeard("/main ", "/side ")
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(ctx, []string{"logs", "deployment/later", "-n", logsNamespace, "-f"}, cli.Env{In: &bytes.Buffer{}, Out: wrote, Err: waits})
	}()
	select {
	case <-waits.all:
	case <-ctx.Done():
		t.Fatalf("it does not wait: %s\n%s", waits, wrote)
	}
	scale := []byte(`{"spec":{"replicas":1}}`)
	if _, err := client.AppsV1().Deployments(logsNamespace).Patch(ctx, "later", types.MergePatchType, scale, metav1.PatchOptions{}); err != nil {
		t.Error(err)
	}
	select {
	case <-wrote.all:
	case <-ctx.Done():
		t.Errorf("nothing was followed: %s\n%s", waits, wrote)
	}
	cancel()
	<-done
}

// heard is what a program writes, and whether all that was hoped for is among it.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
	want []string
	all  chan struct{}
}

func newHeard(want ...string) *heard { return &heard{want: want, all: make(chan struct{})} }

// Write implements io.Writer.
func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text.Write(b)
	before := len(h.want)
	h.want = slices.DeleteFunc(h.want, func(want string) bool { return strings.Contains(h.text.String(), want) })
	if before > 0 && len(h.want) == 0 {
		close(h.all)
	}
	return len(b), nil
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// kubectlLogs is kubectl logs, by kubectl's own code: what it asks the API for is what
// the program asks.
func kubectlLogs(t *testing.T, kubeconfig string, args ...string) (string, error) {
	t.Helper()
	namespace := logsNamespace
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig, flags.Namespace = &kubeconfig, &namespace
	streams, _, out, errs := genericiooptions.NewTestIOStreams()
	factory := cmdutil.NewFactory(flags)
	o := logs.NewLogsOptions(streams)
	cmd := &cobra.Command{Use: "logs"}
	o.AddFlags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return "", err
	}
	err := o.Complete(factory, cmd, cmd.Flags().Args())
	if err == nil {
		err = o.Validate()
	}
	if err == nil {
		err = o.RunLogsContext(t.Context())
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs)
	}
	return out.String(), err
}

func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339Nano, text)
	return err == nil
}

// fluxDeployments creates the Deployments that leat install --deployments=flux prints,
// and returns the names of two.
func fluxDeployments(t *testing.T, client kubernetes.Interface) []string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"install", "--export", "--deployments=flux", "-n", logsNamespace}, cli.Env{Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("leat install --export: %d %s", code, errs.String())
	}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: logsNamespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for text := range strings.SplitSeq(out.String(), "\n---\n") {
		if !strings.Contains(text, "\nkind: Deployment\n") {
			continue
		}
		var d appsv1.Deployment
		if err := yaml.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		if _, err := client.CoreV1().ServiceAccounts(logsNamespace).Create(t.Context(), &corev1.ServiceAccount{
			ObjectMeta: metav1.ObjectMeta{Name: d.Spec.Template.Spec.ServiceAccountName},
		}, metav1.CreateOptions{}); err != nil {
			t.Logf("ServiceAccount of %s: %v", d.Name, err) // several share one
		}
		if _, err := client.AppsV1().Deployments(logsNamespace).Create(t.Context(), &d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"kustomize-controller", "source-controller"}
}
