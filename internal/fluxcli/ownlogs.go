package fluxcli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

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
pods write. With -f it goes on until it is ended (--timeout), and waits for pods where
there are none yet.`
	cmd.Example += `
  logs deployment/api -n apps -f`
}

// noPods is what is done where no pod of an engine has a log: that of a leat up is
// shown, else pods are waited for with -f, and returned.
func (p *program) noPods(ctx context.Context, client kubernetes.Interface, f *logFlags, filter flux.LogFilter) ([]corev1.Pod, error) {
	missing := fmt.Errorf("no Flux pods found in namespace %q", f.namespace)
	if !p.Own {
		return nil, missing
	}
	if path := p.upLog(); path != "" {
		return nil, p.fileLog(ctx, path, f, filter)
	}
	if f.follow {
		return p.pods(ctx, awaiting{client, f.namespace, "the engine", func(ctx context.Context) ([]corev1.Pod, error) { return enginePods(ctx, client, f.namespace) }})
	}
	return nil, fmt.Errorf("%w; is the engine installed there? leat install, or --flux-namespace; of a leat up, pass its --kubeconfig; -f waits for pods to come", missing)
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
	var all []corev1.Pod
	for _, obj := range objs {
		find := func(ctx context.Context) ([]corev1.Pod, error) {
			if obj.GetKind() == "Pod" {
				return onePod(ctx, client, obj.GetNamespace(), obj.GetName())
			}
			return podsOf(ctx, client, obj.GetNamespace(), flux.PodSelector(obj))
		}
		pods, err := find(ctx)
		if err == nil && f.follow && len(started(pods)) == 0 {
			pods, err = p.pods(ctx, awaiting{client, obj.GetNamespace(), obj.GetKind() + "/" + obj.GetName(), find})
		}
		if err != nil {
			return err
		}
		if len(pods) == 0 {
			return fmt.Errorf("%s/%s has no pods in namespace %s; leat tree shows what became of it, and -f waits for them", obj.GetKind(), obj.GetName(), obj.GetNamespace())
		}
		all = append(all, pods...)
	}
	return p.podsLogs(ctx, client, all, options)
}

// podsLogs prints the logs of pods one after another; those that are followed, at once.
func (p *program) podsLogs(ctx context.Context, client kubernetes.Interface, pods []corev1.Pod, options corev1.PodLogOptions) error {
	out, errs := &lines{to: p.Out}, make([]error, len(pods))
	var running sync.WaitGroup
	for i, pod := range pods {
		if options.Follow {
			running.Go(func() { errs[i] = p.podLog(ctx, client, pod, podOutput{options, out}) })
		} else if err := p.podLog(ctx, client, pod, podOutput{options, out}); err != nil {
			return err
		}
	}
	running.Wait()
	return errors.Join(errs...)
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

// podOutput is what is asked of pods, and where it goes.
type podOutput struct {
	options corev1.PodLogOptions
	out     *lines
}

// podLog prints what each container of a pod writes.
func (p *program) podLog(ctx context.Context, client kubernetes.Interface, pod corev1.Pod, of podOutput) error {
	errs := make([]error, len(pod.Spec.Containers))
	var running sync.WaitGroup
	for i, c := range pod.Spec.Containers {
		read := func() error {
			options := of.options
			options.Container = c.Name
			log, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
			if err != nil {
				return fmt.Errorf("read the log of %s in pod %s: %w", c.Name, pod.Name, err)
			}
			prefix := pod.Name + "/" + c.Name + " "
			return p.copyLog(log, of.out, func(line []byte) (string, error) { return prefix + string(line) + "\n", nil })
		}
		if of.options.Follow {
			running.Go(func() { errs[i] = read() })
		} else if err := read(); err != nil {
			return err
		}
	}
	running.Wait()
	return errors.Join(errs...)
}
