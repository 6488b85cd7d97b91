package simkubelet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

// The bounds of what logs cost.
const (
	maxFollowers = 256       // requests that follow at once
	maxEngineLog = 4 << 20   // bytes of the engine's log that are looked through
	maxLogLine   = 256 << 10 // bytes of one line; what is longer is cut
)

// behind is how long a watch may be behind what the API server told whoever asks.
const behind = 2 * time.Second

// logs answers for the containers of simulated pods: the story of the pod, and for
// a pod of the engine what the engine writes.
type logs struct {
	pod       func(key string) *corev1.Pod // by namespace/name; nil for none
	changed   *news
	engine    string // file that an engine on this machine writes; empty for none
	followers chan struct{}
}

func newLogs(pods *loop.Loop, changed *news, engine string) *logs {
	pod := func(key string) *corev1.Pod {
		p, _ := pods.Get(key).(*corev1.Pod)
		return p
	}
	return &logs{pod, changed, engine, make(chan struct{}, maxFollowers)}
}

// line is one line of a log, without its end.
type line struct {
	at   time.Time
	text string
}

// source yields what a log holds beyond what it yielded before. changes can be read
// once there may be more; over tells that nothing will come.
type source interface {
	next() (more []line, changes <-chan struct{}, over bool)
}

// ServeHTTP answers GET /containerLogs/{ns}/{pod}/{container}, as a kubelet does
// (kubernetes v1.36 pkg/kubelet/server/server.go, getContainerLogs).
func (l *logs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o, err := logOptionsOf(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	key, container := r.PathValue("ns")+"/"+r.PathValue("pod"), r.PathValue("container")
	p := l.started(r.Context(), key)
	switch {
	case p == nil:
		http.Error(w, fmt.Sprintf("pod %q not found", key), http.StatusNotFound)
		return
	case o.previous && behaviourOf(p).mode != crashes:
		http.Error(w, fmt.Sprintf("previous terminated container %q in pod %q not found: this pod is simulated, and did not restart", container, p.Name), http.StatusBadRequest)
		return
	}
	if o.follow {
		select {
		case l.followers <- struct{}{}:
			defer func() { <-l.followers }()
		default:
			http.Error(w, fmt.Sprintf("%d requests follow logs already", maxFollowers), http.StatusServiceUnavailable)
			return
		}
	}
	from, done := l.source(p, container)
	defer done()
	o.write(r.Context(), w, from)
}

// started is the pod once it has started. Whoever asks has seen in the API server that
// it runs, of which a watch may still have to hear; a pod that does not start is
// answered for as it is.
func (l *logs) started(ctx context.Context, key string) *corev1.Pod {
	ctx, cancel := context.WithTimeout(ctx, behind)
	defer cancel()
	for {
		changes := l.changed.of(key) // before looking, so that no change is missed
		p := l.pod(key)
		if p != nil && p.Status.StartTime != nil {
			return p
		}
		select {
		case <-changes:
		case <-ctx.Done():
			return p
		}
	}
}

// source is what a container writes. What it holds open ends with done.
func (l *logs) source(p *corev1.Pod, container string) (from source, done func()) {
	if l.engine != "" && isEngine(p) {
		if e, err := openEngine(l.engine, kindsOf(p)); err == nil {
			return e, e.close
		}
	}
	return &story{logs: l, pod: p, container: container}, func() {}
}

// logOptions are those of corev1.PodLogOptions.
type logOptions struct {
	follow, previous, timestamps bool
	since                        time.Time
	tail, limit                  int64 // -1 for all
}

func logOptionsOf(q url.Values, now time.Time) (logOptions, error) {
	o := logOptions{tail: -1, limit: -1}
	var seconds int64 = -1
	for name, to := range map[string]*bool{"follow": &o.follow, "previous": &o.previous, "timestamps": &o.timestamps} {
		if text := q.Get(name); text != "" {
			on, err := strconv.ParseBool(text)
			if err != nil {
				return o, fmt.Errorf("%s: %q is neither true nor false", name, text)
			}
			*to = on
		}
	}
	for name, to := range map[string]*int64{"tailLines": &o.tail, "limitBytes": &o.limit, "sinceSeconds": &seconds} {
		if text := q.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 {
				return o, fmt.Errorf("%s: %q is no number of 0 or more", name, text)
			}
			*to = n
		}
	}
	if seconds >= 0 {
		o.since = now.Add(-time.Duration(seconds) * time.Second)
	}
	if text := q.Get("sinceTime"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return o, fmt.Errorf("sinceTime: %q is no time: %w", text, err)
		}
		o.since = at
	}
	return o, nil
}

// write copies a log until it is over, or to its present end.
func (o logOptions) write(ctx context.Context, w io.Writer, from source) {
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	for {
		more, changes, over := from.next()
		text := o.text(o.last(o.newer(more)))
		if o.limit >= 0 {
			text = text[:min(int64(len(text)), o.limit)]
			o.limit -= int64(len(text))
		}
		if _, err := io.WriteString(w, text); err != nil || !o.follow || over || o.limit == 0 {
			return
		}
		flush()
		o.tail = -1 // counts what was there at first
		select {
		case <-changes:
		case <-ctx.Done():
			return
		}
	}
}

// newer are the lines since the time that was asked for.
func (o logOptions) newer(all []line) []line {
	for i, l := range all {
		if !l.at.Before(o.since) {
			return all[i:]
		}
	}
	return nil
}

func (o logOptions) last(all []line) []line {
	if o.tail >= 0 && int64(len(all)) > o.tail {
		return all[int64(len(all))-o.tail:]
	}
	return all
}

func (o logOptions) text(all []line) string {
	var b strings.Builder
	for _, l := range all {
		if o.timestamps {
			b.WriteString(l.at.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " ")
		}
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}
