package fluxcli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/internal/flux"
)

// Below leat, logs -f waits for what is not there yet: for pods, and for lines in the
// file of a leat up. As flux it ends at once, as flux does.

// started are the pods of which a container runs, or ran: others have no log.
func started(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod corev1.Pod) bool {
		return !slices.ContainsFunc(pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
			return c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
		})
	})
}

// awaiting is what is waited for, in a namespace.
type awaiting struct {
	client    kubernetes.Interface
	namespace string
	what      string // for people
	find      func(context.Context) ([]corev1.Pod, error)
}

// pods returns those that have a log, as soon as there are any: what becomes of the
// pods of the namespace is watched.
func (p *program) pods(ctx context.Context, a awaiting) ([]corev1.Pod, error) {
	for told := false; ; told = true {
		before, err := a.client.CoreV1().Pods(a.namespace).List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			return nil, err
		}
		found, err := a.find(ctx)
		if found = started(found); err != nil || len(found) > 0 {
			return found, err
		}
		if !told {
			fmt.Fprintf(p.Err, "waiting for pods of %s in namespace %s\n", a.what, a.namespace)
		}
		if err := a.moved(ctx, before.ResourceVersion); err != nil {
			return nil, err
		}
	}
}

// moved returns when something becomes of a pod of the namespace.
func (a awaiting) moved(ctx context.Context, since string) error {
	w, err := a.client.CoreV1().Pods(a.namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: since})
	if err != nil {
		return err
	}
	defer w.Stop()
	select {
	case <-w.ResultChan(): // an event, or the end of the watch: look again
		return ctx.Err()
	case <-ctx.Done():
		return fmt.Errorf("no pods of %s came: %w", a.what, ctx.Err())
	}
}

// fileLog prints the log of a leat up, which is a file, as that of a pod is printed.
func (p *program) fileLog(ctx context.Context, path string, f *logFlags, filter flux.LogFilter) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	defer watch.Close()
	if err := watch.Add(path); err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	if err := skipTo(file, options.TailLines); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	l := lineLog{in: bufio.NewReader(file), out: &lines{to: p.Out}, text: since(sinceOf(options, p.Now()), filter.LogText), say: p.fail}
	for {
		if err := l.copy(); err != nil || !f.follow {
			return errors.Join(err, l.rest())
		}
		select {
		case e, open := <-watch.Events:
			if !open || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
				return nil
			}
		case err := <-watch.Errors:
			return fmt.Errorf("watch %s: %w", path, err)
		case <-ctx.Done():
			return nil
		}
	}
}

// lineLog is a log that grows.
type lineLog struct {
	in      *bufio.Reader
	out     *lines
	text    func([]byte) (string, error)
	say     func(format string, args ...any)
	partial []byte // of a line whose end is not written yet
}

// copy prints the lines that have ended.
func (l *lineLog) copy() error {
	for {
		chunk, err := l.in.ReadBytes('\n')
		l.partial = append(l.partial, chunk...)
		switch {
		case errors.Is(err, io.EOF) && len(l.partial) <= maxLogLine:
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case len(l.partial) > maxLogLine:
			return fmt.Errorf("a line is longer than %d bytes", maxLogLine)
		}
		if err := l.rest(); err != nil {
			return err
		}
	}
}

// rest prints what was read of a line.
func (l *lineLog) rest() error {
	line := bytes.TrimRight(l.partial, "\r\n")
	l.partial = l.partial[:0]
	shown, err := l.text(line)
	if err != nil {
		l.say("%s", err)
		return nil
	}
	return l.out.write(shown)
}

// skipTo goes to where the last lines begin, to the beginning without a number.
func skipTo(file *os.File, last *int64) error {
	if last == nil {
		return nil
	}
	count := int64(0)
	if err := eachLine(file, func(int64) bool { count++; return true }); err != nil {
		return err
	}
	at, n := int64(0), int64(0)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	err := eachLine(file, func(length int64) bool {
		if n >= count-*last {
			return false
		}
		n, at = n+1, at+length
		return true
	})
	if err == nil {
		_, err = file.Seek(at, io.SeekStart)
	}
	return err
}

// eachLine tells the length of each line, until it is enough.
func eachLine(r io.Reader, more func(length int64) bool) error {
	in, length := bufio.NewReader(r), int64(0)
	for {
		chunk, err := in.ReadSlice('\n')
		length += int64(len(chunk))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if length > 0 {
				more(length)
			}
			return nil
		case err != nil:
			return err
		}
		if !more(length) {
			return nil
		}
		length = 0
	}
}

// sinceOf is when the first line that is asked for was written; zero for all.
func sinceOf(o corev1.PodLogOptions, now time.Time) time.Time {
	switch {
	case o.SinceTime != nil:
		return o.SinceTime.Time
	case o.SinceSeconds != nil:
		return now.Add(-time.Duration(*o.SinceSeconds) * time.Second)
	}
	return time.Time{}
}

// since shows nothing of lines that were written before a time.
func since(first time.Time, text func([]byte) (string, error)) func([]byte) (string, error) {
	return func(line []byte) (string, error) {
		var l struct {
			At time.Time `json:"ts"`
		}
		if !first.IsZero() && json.Unmarshal(line, &l) == nil && l.At.Before(first) {
			return "", nil
		}
		return text(line)
	}
}
