package fluxcli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/internal/flux"
	"github.com/leat-dev/leat/internal/install"
)

// maxLogLine bounds a line of a log; longer ones are cut by nobody we know of.
const maxLogLine = 1 << 20

// container is the one of an engine's pod that writes the log.
const container = "manager"

type logFlags struct {
	filter    flux.LogFilter
	follow    bool
	tail      int64
	namespace string // of the engine
	all       bool
	since     time.Duration
	sinceTime string
}

// level is the value of --level.
type level struct{ of *string }

func (l level) String() string {
	if l.of == nil {
		return ""
	}
	return *l.of
}
func (l level) Type() string { return "debug|info|error" }
func (l level) Set(s string) error {
	*l.of = s
	return flux.CheckLevel(s)
}

func (p *program) newLogs() *cobra.Command {
	f := &logFlags{}
	cmd := &cobra.Command{
		Use: "logs", Short: "What the engine writes about objects",
		Example: `  logs -A --level error
  logs --kind Kustomization --name apps --since 10m
  logs -A -f`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := p.timeout(cmd)
			if p.Own && f.follow && !cmd.Flag("timeout").Changed {
				cancel()
				ctx, cancel = context.WithCancel(cmd.Context()) // whoever follows says when it is enough
			}
			defer cancel()
			return p.reached(p.logs(ctx, f, args))
		},
	}
	fs := cmd.Flags()
	fs.Var(level{&f.filter.Level}, "level", "lines of this level")
	fs.StringVar(&f.filter.Kind, "kind", "", "lines about objects of this kind")
	fs.StringVar(&f.filter.Name, "name", "", "lines about objects of this name")
	fs.BoolVarP(&f.follow, "follow", "f", false, "go on with new lines")
	fs.Int64Var(&f.tail, "tail", -1, "only so many of the last lines of each pod")
	fs.StringVar(&f.namespace, "flux-namespace", install.DefaultNamespace, "namespace of the engine")
	fs.BoolVarP(&f.all, "all-namespaces", "A", false, "lines about objects of all namespaces, and of none")
	fs.DurationVar(&f.since, "since", 0, "only lines so old: 5s, 2m, 3h")
	fs.StringVar(&f.sinceTime, "since-time", "", "only lines since a time (RFC 3339)")
	completeFlag(cmd, "kind", kindNames()...)
	completeFlag(cmd, "level", "debug", "info", "error")
	p.ownLogs(cmd, f)
	return cmd
}

func (p *program) logs(ctx context.Context, f *logFlags, args []string) error {
	client, err := p.clientset()
	switch {
	case err != nil:
		return err
	case len(args) > 0 && p.Own:
		return p.workloadLogs(ctx, client, f, args)
	case len(args) > 0:
		return errors.New("no argument required")
	}
	filter := f.filter
	if !f.all {
		filter.Namespace = p.namespace()
	}
	pods, err := enginePods(ctx, client, f.namespace)
	if err != nil {
		return err
	}
	if len(pods) == 0 || p.Own && f.follow && len(started(pods)) == 0 {
		if pods, err = p.noPods(ctx, client, f, filter); err != nil || len(pods) == 0 {
			return err
		}
	}
	options, err := f.options()
	if err != nil {
		return err
	}
	return p.stream(ctx, client, f, podLogs{pods: pods, options: options, text: filter.LogText})
}

func (p *program) clientset() (kubernetes.Interface, error) {
	cfg, err := p.global.config()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(cfg)
}

// options are what the API server is asked for.
func (f *logFlags) options() (corev1.PodLogOptions, error) {
	o := corev1.PodLogOptions{Follow: f.follow}
	if f.tail > -1 {
		o.TailLines = &f.tail
	}
	if f.sinceTime != "" && f.since != 0 {
		return o, errors.New("at most one of `sinceTime` or `sinceDuration` may be specified")
	}
	if f.sinceTime != "" {
		at, err := time.Parse(time.RFC3339Nano, f.sinceTime)
		if err != nil {
			return o, fmt.Errorf("%s is not a valid (RFC3339) time", f.sinceTime)
		}
		o.SinceTime = &metav1.Time{Time: at}
	}
	if f.since != 0 {
		seconds := int64(f.since.Round(time.Second).Seconds())
		o.SinceSeconds = &seconds
	}
	return o, nil
}

// enginePods are the pods of Deployments that are part of Flux, one of each: the
// one whose log says most (flux2 v2.9.5, cmd/flux/logs.go).
func enginePods(ctx context.Context, client kubernetes.Interface, namespace string) ([]corev1.Pod, error) {
	selector := install.LabelPartOf + "=" + install.PartOf
	deployments, err := client.AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	var out []corev1.Pod
	for _, d := range deployments.Items {
		of := labels.SelectorFromSet(d.Spec.Template.Labels).String()
		pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: of})
		if err != nil {
			return nil, err
		}
		if len(pods.Items) > 0 {
			out = append(out, slices.MinFunc(pods.Items, flux.CompareByLogs))
		}
	}
	return out, nil
}

// podLogs is what is read of pods, and how a line is shown.
type podLogs struct {
	pods    []corev1.Pod
	options corev1.PodLogOptions
	text    func(line []byte) (string, error)
}

// stream prints the logs of pods one after another; with --follow, at once. A pod
// whose log cannot be had is told of, and is an error at the end.
func (p *program) stream(ctx context.Context, client kubernetes.Interface, f *logFlags, of podLogs) error {
	out := &lines{to: p.Out}
	failed := make([]error, len(of.pods))
	read := func(i int) {
		pod, options := of.pods[i], of.options
		if len(pod.Spec.Containers) > 1 && options.Container == "" {
			options.Container = container
		}
		body, err := client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
		if err == nil {
			err = p.copyLog(body, out, of.text)
		}
		if failed[i] = err; err != nil {
			fmt.Fprintf(p.Err, "failed getting logs: %s\n", err)
		}
	}
	var running sync.WaitGroup
	for i := range of.pods {
		if f.follow {
			running.Go(func() { read(i) })
		} else {
			read(i)
		}
	}
	running.Wait()
	if errors.Join(failed...) != nil && !f.follow {
		return errors.New("failed to collect logs from all Flux pods")
	}
	return nil
}

// copyLog prints what is shown of a log. It ends at a line that cannot be read,
// which is told.
func (p *program) copyLog(log io.ReadCloser, out *lines, text func([]byte) (string, error)) error {
	defer log.Close()
	scan := bufio.NewScanner(log)
	scan.Buffer(nil, maxLogLine)
	for scan.Scan() {
		shown, err := text(scan.Bytes())
		if err != nil {
			p.fail("%s", err)
			return nil
		}
		if err := out.write(shown); err != nil {
			return err
		}
	}
	return scan.Err()
}

// lines lets several logs print whole lines.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) write(text string) error {
	if text == "" {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.to, text)
	return err
}
