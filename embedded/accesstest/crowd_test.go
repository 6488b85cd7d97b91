package accesstest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/leat-dev/leat/internal/access"
)

// floodEnv makes the flood bigger: 1000 are said in docs/access.md.
const floodEnv = "LEAT_ACCESSTEST_FLOOD"

// A flood of requests of one person reaches nobody: as many as they may have wait, the
// others are refused, announced once, and forgotten but for some. What others ask for is
// granted meanwhile. Nor can words be piled up.
func TestAFloodOfRequests(t *testing.T) {
	s := newStand(t)
	s.namespace("flooded")
	s.policy("flooded", edit("flooded"))
	s.start()
	flood := 80
	if n, err := strconv.Atoi(os.Getenv(floodEnv)); err == nil {
		flood = n
	}
	began := time.Now()
	dave := s.as("dave", "developers")
	for i := range flood {
		text := strings.Replace(ask(fmt.Sprintf("flood-%04d", i), "dave", ""), "environment: held", "environment: flooded", 1)
		_, err := s.make(dave, strings.Replace(text, "[held]", "[flooded]", 1))
		s.must(err)
	}
	t.Logf("%d requests made in %s", flood, time.Since(began))
	s.granted("alice", "--env=flooded", "--role=edit", "-n=flooded", "--reason=x")
	there := s.settled("dave", access.DefaultPerPerson+access.KeptPerPerson)
	t.Logf("settled after %s", time.Since(began))
	waits := 0
	for _, r := range there {
		if r.Status.Phase == access.Pending {
			waits++
		} else if r.Status.End == nil || !r.Status.End.TooMany {
			t.Errorf("%s: got %s (%s)", r.Name, r.Status.Phase, r.Why())
		}
	}
	if waits != access.DefaultPerPerson {
		t.Errorf("%d requests wait, want %d", waits, access.DefaultPerPerson)
	}
	s.cannot("dave has as many requests in this cluster as one person may, 5: flood-0000 (waits)", "dave", "access", "request", "--env=flooded", "--role=edit", "-n=flooded", "--reason=x")
	if told := s.announced("flood-"); told < waits+1 || told > waits+2 { // two runs at once may both be the first
		t.Errorf("%d requests are announced, want %d", told, waits+1)
	}

	first := there["flood-0000"]
	for i := range 8 {
		_, err := s.make(s.as("eve", people["eve"]...), strings.Replace(decide(first, "eve", "Deny", "dave"), "-deny", fmt.Sprintf("-deny-%d", i), 1))
		s.must(err)
	}
	s.must(s.fewWords(first, 5))
}

// settled waits until the requests of a person are so many, and none of them new.
func (s *stand) settled(who string, want int) map[string]access.Request {
	s.Helper()
	there := map[string]access.Request{}
	err := s.watched(requests.Resource, func(e watch.EventType, u *unstructured.Unstructured) bool {
		r, err := access.DecodeRequest(u)
		s.must(err)
		if r.Spec.Requester.Username == who {
			if there[r.Name] = r; e == watch.Deleted {
				delete(there, r.Name)
			}
		}
		for _, r := range there {
			if r.Status.Phase == "" {
				return false
			}
		}
		return len(there) == want
	})
	if err != nil {
		s.Fatalf("%d requests of %s are there, want %d: %v", len(there), who, want, err)
	}
	return there
}

// fewWords waits until so many decisions on a request are left of those that were made.
func (s *stand) fewWords(about access.Request, want int) error {
	there := map[string]bool{}
	return s.watched("accessdecisions", func(e watch.EventType, u *unstructured.Unstructured) bool {
		d, err := access.DecodeDecision(u)
		s.must(err)
		if d.Spec.Request.UID == about.UID {
			if there[d.Name] = true; e == watch.Deleted {
				delete(there, d.Name)
			}
		}
		return len(there) == want
	})
}

// watched plays what is there and then what happens until it is enough.
func (s *stand) watched(resource string, enough func(watch.EventType, *unstructured.Unstructured) bool) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	client := s.dyn.Resource(requests.GroupVersion().WithResource(resource))
	list, err := client.List(ctx, metav1.ListOptions{})
	s.must(err)
	done := false
	for i := range list.Items {
		done = enough(watch.Added, &list.Items[i])
	}
	if done {
		return nil
	}
	w, err := client.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	s.must(err)
	defer w.Stop()
	for e := range w.ResultChan() {
		if u, ok := e.Object.(*unstructured.Unstructured); ok && enough(e.Type, u) {
			return nil
		}
	}
	return context.DeadlineExceeded
}

// announced counts the requests that events are about.
func (s *stand) announced(prefix string) int {
	s.Helper()
	events, err := s.admin.CoreV1().Events("default").List(s.Context(), metav1.ListOptions{})
	s.must(err)
	about := map[string]bool{}
	for _, e := range events.Items {
		if strings.HasPrefix(e.InvolvedObject.Name, prefix) {
			about[e.InvolvedObject.Name] = true
		}
	}
	return len(about)
}
