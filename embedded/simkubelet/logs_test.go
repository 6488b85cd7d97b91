package simkubelet

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func started(simulate string, policy corev1.RestartPolicy) *corev1.Pod {
	start := metav1.NewTime(began)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "p", UID: types.UID("1"), Annotations: map[string]string{Annotation: simulate}},
		Spec: corev1.PodSpec{
			NodeName: NodeName(0), RestartPolicy: policy, InitContainers: []corev1.Container{{Name: "setup"}}, Containers: []corev1.Container{{Name: "main"}},
		},
		Status: corev1.PodStatus{StartTime: &start, Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(began.Add(-time.Second)),
		}}},
	}
}

func TestStories(t *testing.T) {
	const scheduled = "-1s pod apps/p is scheduled to leat-sim-0\n0s pod apps/p is simulated: container main was never started and wrote nothing\n"
	for _, c := range []struct {
		name, simulate string
		policy         corev1.RestartPolicy
		container      string
		after          time.Duration
		want           string
	}{
		{"it runs", "", corev1.RestartPolicyAlways, "main", time.Minute, scheduled + "0s it counts as ready\n"},
		{"not yet", "slow", corev1.RestartPolicyAlways, "main", time.Second, scheduled + "0s annotation leat.dev/simulate is \"slow\"\n"},
		{"late", "slow", corev1.RestartPolicyAlways, "main", time.Minute, scheduled + "0s annotation leat.dev/simulate is \"slow\"\n5s it counts as ready\n"},
		{"a job", "", corev1.RestartPolicyNever, "main", time.Minute, scheduled + "0s it has ended with code 0\n"},
		{"a job that fails", "job-exit-1", corev1.RestartPolicyNever, "main", time.Minute,
			scheduled + "0s annotation leat.dev/simulate is \"job-exit-1\"\n0s it exits with code 1\n"},
		{"it crashes", "fail", corev1.RestartPolicyAlways, "main", 35 * time.Second, scheduled +
			"0s annotation leat.dev/simulate is \"fail\"\n0s it exits with code 1\n0s restart 1: it exits with code 1\n" +
			"10s restart 2 after 10s: it exits with code 1\n30s restart 3 after 20s: it exits with code 1\n"},
		{"not understood", "often", corev1.RestartPolicyAlways, "main", time.Minute, scheduled +
			"0s annotation leat.dev/simulate is \"often\"\n0s annotation leat.dev/simulate: \"often\": use fail, slow, slow=30s or job-exit-1\n"},
		{"an init container", "", corev1.RestartPolicyAlways, "setup", time.Minute,
			strings.ReplaceAll(scheduled, "main", "setup") + "0s an init container: it counts as completed at once\n"},
	} {
		p := started(c.simulate, c.policy)
		if c.simulate == "" {
			p.Annotations = nil
		}
		got := ""
		for _, l := range storyOf(p, c.container, began.Add(c.after)) {
			got += l.at.Sub(began).String() + " " + strings.TrimPrefix(l.text, "leat: ") + "\n"
		}
		if got != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, got, c.want)
		}
		if early := storyOf(p, c.container, began); len(early) > strings.Count(c.want, "\n") || len(early) > 0 && early[0] != storyOf(p, c.container, began.Add(c.after))[0] {
			t.Errorf("%s: a story takes back what it told", c.name)
		}
	}
}

// kubelet serves the logs of one pod.
func kubelet(t *testing.T, p *corev1.Pod, engine string) (url string, l *logs) {
	t.Helper()
	l = &logs{func(key string) *corev1.Pod {
		if key == "apps/p" {
			return p
		}
		return nil
	}, newNews(), engine, make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.Handle("GET /containerLogs/{ns}/{pod}/{container}", l)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/containerLogs/", l
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

func TestLogOptions(t *testing.T) {
	url, _ := kubelet(t, started("fail", corev1.RestartPolicyAlways), "")
	_, all := get(t, url+"apps/p/main")
	lines := strings.SplitAfter(all, "\n")
	if len(lines) < 7 {
		t.Fatalf("got %q", all)
	}
	for query, want := range map[string]string{
		"tailLines=1":  lines[len(lines)-2],
		"tailLines=0":  "",
		"limitBytes=9": all[:9],
		"sinceTime=2026-01-02T03:04:16Z&limitBytes=36": lines[6][:36],
		"sinceSeconds=0": "",
		"tailLines=1&timestamps=true&sinceTime=2026-01-02T03:04:05Z": lines[len(lines)-2],
		"previous=true": all,
	} {
		code, got := get(t, url+"apps/p/main?"+query)
		if strings.Contains(query, "timestamps") {
			at, rest, _ := strings.Cut(got, " ")
			if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
				t.Errorf("%s: %v", query, err)
			}
			got = rest
		}
		if code != 200 || got != want {
			t.Errorf("%s: %d %q, want %q", query, code, got, want)
		}
	}
	for query, want := range map[string]int{
		"apps/p/main?tailLines=-1": 400, "apps/p/main?follow=perhaps": 400, "apps/p/main?sinceTime=now": 400, "apps/q/main": 404,
	} {
		if code, text := get(t, url+query); code != want {
			t.Errorf("%s: %d %s, want %d", query, code, text, want)
		}
	}
	url, _ = kubelet(t, started("", corev1.RestartPolicyAlways), "")
	if code, text := get(t, url+"apps/p/main?previous=true"); code != 400 || !strings.Contains(text, `previous terminated container "main" in pod "p" not found`) {
		t.Errorf("%d %s", code, text)
	}
}

// Who follows hears of what comes, and is let go when the pod has ended.
func TestLogsFollow(t *testing.T) {
	var pod atomic.Pointer[corev1.Pod]
	pod.Store(started("", corev1.RestartPolicyAlways))
	url, l := kubelet(t, nil, "")
	l.pod = func(string) *corev1.Pod { return pod.Load() }
	r, err := http.Get(url + "apps/p/main?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	for range 3 {
		if _, err := body.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if code, text := get(t, url+"apps/p/main?follow=true"); code != 503 {
		t.Errorf("one too many follows: %d %s", code, text)
	}
	pod.Store(nil)
	l.changed.tell("apps/p")
	if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
}

// Whoever has seen in the API server that a pod runs gets its story, also where the
// watch has not heard of it yet.
func TestLogsWaitForTheStart(t *testing.T) {
	var pod atomic.Pointer[corev1.Pod]
	url, l := kubelet(t, nil, "")
	asked := make(chan struct{}, 8)
	l.pod = func(string) *corev1.Pod {
		asked <- struct{}{}
		return pod.Load()
	}
	go func() {
		<-asked
		unstarted := started("", corev1.RestartPolicyAlways)
		unstarted.Status.StartTime = nil
		pod.Store(unstarted)
		l.changed.tell("apps/p")
		<-asked
		pod.Store(started("", corev1.RestartPolicyAlways))
		l.changed.tell("apps/p")
	}()
	if code, text := get(t, url+"apps/p/main"); code != 200 || !strings.Contains(text, "it counts as ready") {
		t.Errorf("%d %s", code, text)
	}
}

func TestEngineLogs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "engine.log")
	write := func(text string) {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	const (
		of    = `{"ts":"2026-01-02T03:04:05.123Z","level":"info","msg":"done","controllerKind":"Kustomization","name":"apps"}` + "\n"
		none  = `{"ts":"2026-01-02T03:04:06Z","level":"info","msg":"starting"}` + "\n"
		other = `{"ts":"2026-01-02T03:04:07Z","level":"info","msg":"done","controllerKind":"HelmRelease","name":"apps"}` + "\n"
	)
	write(of + none + other + "no JSON\n" + `{"ts":"2026-01-02T03:04:08Z","msg":"ha`)
	p := started("", corev1.RestartPolicyAlways)
	p.Labels = map[string]string{labelPartOf: partOf, labelApp: "kustomize-controller"}
	url, _ := kubelet(t, p, file)
	if code, got := get(t, url+"apps/p/manager"); code != 200 || got != of+none {
		t.Errorf("%d %s", code, got)
	}
	r, err := http.Get(url + "apps/p/manager?follow=true&tailLines=1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body := bufio.NewReader(r.Body)
	if got, err := body.ReadString('\n'); err != nil || got != none {
		t.Errorf("%q %v", got, err)
	}
	write("lf\"}\n")
	if got, err := body.ReadString('\n'); err != nil || !strings.Contains(got, `"half"`) {
		t.Errorf("%q %v", got, err)
	}
	p.Labels[labelApp] = "leat"
	if _, got := get(t, url+"apps/p/manager"); !strings.Contains(got, "HelmRelease") {
		t.Errorf("the one Deployment has the lines of all: %s", got)
	}
	url, _ = kubelet(t, p, file+".none")
	if _, got := get(t, url+"apps/p/manager"); !strings.Contains(got, "is simulated") {
		t.Errorf("without an engine the pod has its story: %s", got)
	}
}
