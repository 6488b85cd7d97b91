package controller

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
)

// diary keeps what was told; timers tell from goroutines of their own.
type diary[T any] struct {
	mu  sync.Mutex
	all []T
}

func (d *diary[T]) write(one T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, one)
}

// tear returns what was told and begins anew.
func (d *diary[T]) tear() []T {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.all
	d.all = nil
	return out
}

// stage is the guards of a cluster, fed by hand: sinks by resource, and what
// they told.
func stage() (*guards, map[string]*guardSink, *diary[string]) {
	told := &diary[string]{}
	g := &guards{held: map[string]int{}, echo: newEcho(func(subject, _ string) { told.write(subject) })}
	sinks := map[string]*guardSink{}
	for _, one := range slices.Concat(rehearsed, consulted) {
		sinks[one.Resource] = &guardSink{g: g, guard: one}
	}
	return g, sinks, told
}

func metaOf(namespace, name, version string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, ResourceVersion: version}}
}

var aSecret = object.Ref{Key: object.Key{Kind: "Secret", Namespace: "apps", Name: "s"}, Version: "v1"}

func TestRehearseWhereSomebodyMayRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, sinks, _ := stage()
		want := func(want bool, when string) {
			t.Helper()
			if got := g.Rehearse(aSecret); got != want {
				t.Errorf("%s: got %t, want %t", when, got, want)
			}
		}
		want(true, "before the guards are known")
		for _, s := range sinks {
			_ = s.Replace(nil, "1")
		}
		want(false, "without guards")
		quotas := sinks["resourcequotas"]
		_ = quotas.Add(metaOf("apps", "a", "2"))
		_ = quotas.Add(metaOf("apps", "b", "3"))
		_ = quotas.Add(metaOf("others", "c", "4"))
		_ = quotas.Update(metaOf("apps", "b", "5"))
		want(true, "with two quotas")
		_ = quotas.Delete(metaOf("apps", "a", "6"))
		want(true, "with one of two quotas")
		_ = quotas.Replace([]any{metaOf("others", "c", "4")}, "8")
		want(false, "with a quota elsewhere")
		_ = sinks["clusterroles"].Add(metaOf("", "r", "9"))
		want(false, "with a role")
		_ = sinks["validatingwebhookconfigurations"].Add(metaOf("", "w", "10"))
		want(true, "with a webhook")
	})
}

func TestGuardsTellWhoWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, sinks, told := stage()
		want := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			got := told.tear()
			slices.Sort(got)
			if got = slices.Compact(got); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", when, got, want)
			}
			time.Sleep(3 * echoAfter)
			synctest.Wait()
			told.tear()
		}
		cluster, apps, others := engine.GuardSubject(""), engine.GuardSubject("apps"), engine.GuardSubject("others")
		quotas, roles := sinks["resourcequotas"], sinks["rolebindings"]
		_ = quotas.Replace([]any{metaOf("apps", "a", "5"), metaOf("others", "c", "6")}, "7")
		want("first list of quotas", apps, others)
		_ = quotas.Replace([]any{metaOf("apps", "a", "5"), metaOf("others", "c", "8")}, "9")
		want("a list after a lost watch", others)
		_ = quotas.Replace([]any{metaOf("others", "c", "8")}, "10")
		want("a list without one", apps)
		_ = roles.Replace(nil, "3")
		want("first list of bindings", engine.RightsSubject)
		_ = roles.Replace(nil, "4")
		want("nothing new")
		_ = roles.Add(metaOf("apps", "deployer", "11"))
		want("a binding", engine.RightsSubject)
		_ = sinks["mutatingwebhookconfigurations"].Delete(metaOf("", "w", "12"))
		want("a webhook is gone", cluster)
	})
}

// A change is told at once and once more; one that is busy, no more than once in
// a while, and its last change is told twice all the same.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var told diary[time.Duration]
		e := newEcho(func(string, string) { told.write(time.Since(began) / echoAfter) })
		e.changed("a", "once")
		time.Sleep(10 * echoAfter)
		for range 25 {
			e.changed("a", "busy")
			time.Sleep(echoAfter / 10)
		}
		time.Sleep(10 * echoAfter)
		synctest.Wait()
		got := told.tear()
		if want := []time.Duration{0, 1, 10, 11, 12, 13, 14}; !slices.Equal(got, want) {
			t.Errorf("told after: got %v, want %v", got, want)
		}
		if len(e.waiting) > 0 || len(e.news) > 0 {
			t.Errorf("left behind: %v %v", e.waiting, e.news)
		}
	})
}
