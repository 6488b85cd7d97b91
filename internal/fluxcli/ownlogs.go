package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/internal/flux"
)

// ownLogs says what logs does below leat: it takes a workload, and finds the log
// of leat up.
func (p *program) ownLogs(cmd *cobra.Command, f *logFlags) {
	if !p.Own {
		return
	}
	cmd.Use = "logs [WORKLOAD]"
	cmd.Short = "What the engine writes about objects, or what a workload writes"
	cmd.Long = `Without an argument: what the engine writes, from its pods, or from the file of a
leat up. With one (deployment/api, pod/web-0, job/migrate …): what the workload's
pods write.`
	cmd.Example += `
  logs deployment/api -n apps -f`
}

// noPods is the answer where no engine's pod is found.
func (p *program) noPods(f *logFlags, filter flux.LogFilter) error {
	missing := fmt.Errorf("no Flux pods found in namespace %q", f.namespace)
	if !p.Own {
		return missing
	}
	path := p.upLog()
	file, err := os.Open(path)
	if path == "" || err != nil {
		return fmt.Errorf("%w; is the engine installed there? leat install, or --flux-namespace; of a leat up, pass its --kubeconfig", missing)
	}
	if f.follow || f.tail >= 0 || f.since != 0 || f.sinceTime != "" {
		file.Close()
		return errors.New("this engine is a leat up, which writes a file; -f, --tail and --since are for pods: tail -f " + path)
	}
	return p.copyLog(file, &lines{to: p.Out}, filter.LogText)
}

// upLog is the log of the leat up whose kubeconfig is used: it stands beside the
// directory of the cluster.
func (p *program) upLog() string {
	for _, file := range append([]string{*p.global.kube.KubeConfig}, clientcmd.NewDefaultClientConfigLoadingRules().GetLoadingPrecedence()...) {
		path := filepath.Join(filepath.Dir(filepath.Dir(file)), "engine.log")
		if _, err := os.Stat(path); file != "" && err == nil {
			return path
		}
	}
	return ""
}

// workloadLogs prints what the pods of workloads write, each line after the pod's
// name where there are several.
func (p *program) workloadLogs(ctx context.Context, client kubernetes.Interface, f *logFlags, args []string) error {
	objs, err := p.resources(args)
	if err != nil {
		return err
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	for _, obj := range objs {
		pods, err := podsOf(ctx, client, obj.GetNamespace(), flux.PodSelector(obj))
		if obj.GetKind() == "Pod" {
			pods, err = onePod(ctx, client, obj.GetNamespace(), obj.GetName())
		}
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return fmt.Errorf("%s/%s has no pods in namespace %s; leat tree shows what became of it", obj.GetKind(), obj.GetName(), obj.GetNamespace())
		}
		for _, pod := range pods {
			if err := p.podLog(ctx, client, pod, options); err != nil {
				return err
			}
		}
	}
	return nil
}

func onePod(ctx context.Context, client kubernetes.Interface, namespace, name string) ([]corev1.Pod, error) {
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return []corev1.Pod{*pod}, nil
}

func podsOf(ctx context.Context, client kubernetes.Interface, namespace, selector string) ([]corev1.Pod, error) {
	if selector == "" {
		return nil, nil
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

// podLog prints what each container of a pod writes.
func (p *program) podLog(ctx context.Context, client kubernetes.Interface, pod corev1.Pod, options corev1.PodLogOptions) error {
	out := &lines{to: p.Out}
	for _, c := range pod.Spec.Containers {
		options.Container = c.Name
		log, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
		if err != nil {
			return fmt.Errorf("read the log of %s in pod %s: %w", c.Name, pod.Name, err)
		}
		prefix := pod.Name + "/" + c.Name + " "
		if err := p.copyLog(log, out, func(line []byte) (string, error) { return prefix + string(line) + "\n", nil }); err != nil {
			return err
		}
	}
	return nil
}
