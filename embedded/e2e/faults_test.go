package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/faulttest"
	"github.com/leat-dev/leat/internal/app"
)

// underFaults is how long units may take while one request of five fails.
const underFaults = 3 * time.Minute

// The API server refuses, breaks and forgets at random: a unit says Ready only
// of what is there, everything is as it should be once the faults are over, and
// what is not of the fleet was not touched.
func TestFaultyAPI(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			long(t)
			faults := faulttest.NewFaults(seed)
			s := up(t, func(c *app.Config) {
				c.REST = rest.CopyConfig(c.REST)
				c.REST.Wrap(faults.Wrap)
			})
			t.Cleanup(func() { t.Logf("faults: %v", faults.Counts()) })
			theirs := s.bystanders()
			s.save(generation(1))
			s.apply(source, kustomization("app", "path: ./app", "retryInterval: 1s", "wait: true"),
				kustomization("two", "path: ./two", "retryInterval: 1s", "dependsOn: [{name: app}]"))
			s.honest(1)
			for n := 2; n <= 4; n++ {
				if n == 4 {
					faults.Stop()
				}
				s.save(generation(n))
				s.patch("GitRepository/fleet", fmt.Sprintf(`{metadata: {annotations: {reconcile.fluxcd.io/requestedAt: "%d"}}}`, n))
				s.honest(n)
			}
			s.idle()
			s.untouched(theirs)
			s.fewEvents(4)
		})
	}
}

// generation is the n-th commit: every object changes, one is new, one is gone,
// one moves from one unit to the other.
func generation(n int) files {
	text := fmt.Sprint(n)
	out := files{
		"app/a.yaml": configMap("a", text), "two/b.yaml": configMap("b", text),
		fmt.Sprintf("app/only-%d.yaml", n): configMap(fmt.Sprint("only-", n), text),
	}
	if n > 1 {
		out[fmt.Sprintf("app/only-%d.yaml", n-1)] = ""
	}
	here, there := "app/moves.yaml", "two/moves.yaml"
	if n%2 == 0 {
		here, there = there, here
	}
	if out[here] = configMap("moves", text); n > 1 {
		out[there] = ""
	}
	return out
}

// honest waits until both units are Ready at the present commit, and then reads
// from the API itself what that means.
func (s *stand) honest(n int) {
	s.Helper()
	s.readyWithin("app", underFaults)
	for _, name := range []string{"a", fmt.Sprint("only-", n)} {
		s.holds("ConfigMap/"+name, n)
	}
	s.absent(fmt.Sprint("ConfigMap/only-", n-1))
	s.readyWithin("two", underFaults)
	for _, name := range []string{"b", "moves"} {
		s.holds("ConfigMap/"+name, n)
	}
}

func (s *stand) holds(name string, n int) {
	s.Helper()
	c, at := s.at(name)
	obj, err := c.Get(context.Background(), at, metav1.GetOptions{})
	if err != nil {
		s.Errorf("a unit is Ready: %v\n%s", err, s.logs.tail())
		return
	}
	if got, want := field(obj, "data", "key"), strconv.Quote(fmt.Sprint(n)); got != want {
		s.Errorf("a unit is Ready, and %s holds %s, want %s", name, got, want)
	}
}

func (s *stand) readyWithin(name string, within time.Duration) {
	s.Helper()
	revision := s.revision()
	s.awaitFor(within, "Kustomization/"+name, func(o *unstructured.Unstructured) bool {
		return o != nil && field(o, "status", "lastAppliedRevision") == strconv.Quote(revision) && isReady(o)
	})
}

func isReady(o *unstructured.Unstructured) bool {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	return slices.ContainsFunc(list, func(c any) bool {
		m, _ := c.(map[string]any)
		return m["type"] == "Ready" && m["status"] == "True"
	})
}

// bystanders makes objects of other people: one plain, one with the labels of a
// unit; it returns them as they are.
func (s *stand) bystanders() []*unstructured.Unstructured {
	s.Helper()
	s.apply(configMap("plain", "theirs"),
		configMap("labelled", "theirs", "labels: {kustomize.toolkit.fluxcd.io/name: app, kustomize.toolkit.fluxcd.io/namespace: $ns}"))
	return []*unstructured.Unstructured{s.get("ConfigMap/plain"), s.get("ConfigMap/labelled")}
}

func (s *stand) untouched(objects []*unstructured.Unstructured) {
	s.Helper()
	for _, was := range objects {
		c, name := s.at("ConfigMap/" + was.GetName())
		is, err := c.Get(context.Background(), name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			s.Errorf("%s, which is not of the fleet, was deleted", name)
			continue
		}
		s.must(err)
		if is.GetResourceVersion() != was.GetResourceVersion() {
			s.Errorf("%s, which is not of the fleet, was written", name)
		}
	}
}

// fewEvents fails where a unit told the same good news more often than there
// were commits.
func (s *stand) fewEvents(commits int) {
	s.Helper()
	for _, unit := range []string{"app", "two"} {
		told := map[string]int{}
		for _, line := range s.events(unit, corev1.EventTypeNormal) {
			line, _, _ = strings.Cut(line, " in ") // how long it took
			if told[line]++; told[line] == commits+1 {
				s.Errorf("%s told more than %d times: %s", unit, commits, line)
			}
		}
	}
}

// events are the lines of the events of a type of a Kustomization.
func (s *stand) events(unit, kind string) (out []string) {
	s.Helper()
	client, err := kubernetes.NewForConfig(s.cfg.REST)
	s.must(err)
	list, err := client.CoreV1().Events(s.ns).List(context.Background(), metav1.ListOptions{})
	s.must(err)
	for _, e := range list.Items {
		if e.Type == kind && e.InvolvedObject.Kind == "Kustomization" && e.InvolvedObject.Name == unit {
			out = append(out, strings.Split(e.Message, "\n")...)
		}
	}
	return out
}
