package health

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/object"
)

func key(kind, name string) object.Key { return object.Key{Kind: kind, Namespace: "apps", Name: name} }

func TestFold(t *testing.T) {
	web, api, job := key("Deployment", "web"), key("Deployment", "api"), key("Job", "once")
	after := func(d time.Duration) Wait {
		return Wait{Since: noon, Now: noon.Add(d), Timeout: time.Minute, FailFast: true, Vanishing: map[object.Key]bool{job: true}}
	}
	slow := func(w Wait) Wait { w.FailFast = false; return w }
	for _, tc := range []struct {
		name    string
		results map[object.Key]Result
		wait    Wait
		state   State
		message string
	}{
		{"nothing to await", nil, after(0), Passed, "Health check passed in 0s"},
		{"all current", map[object.Key]Result{web: {Status: Current}}, after(1200 * time.Millisecond), Passed, "Health check passed in 1.2s"},
		{"simulated", map[object.Key]Result{web: {Status: Current, Simulated: true}}, after(time.Second), Passed, "Health check passed in 1s (on simulated pods)"},
		{"vanished job", map[object.Key]Result{job: {Status: NotFound}}, after(time.Second), Passed, "Health check passed in 1s"},
		{"vanished other", map[object.Key]Result{web: {Status: NotFound}}, after(time.Second), Waiting, ""},
		{"in progress", map[object.Key]Result{web: {Status: InProgress}, api: {Status: Current}}, after(59 * time.Second), Waiting, ""},
		{"timeout", map[object.Key]Result{web: {Status: InProgress}, api: {Status: Current}, job: {Status: InProgress}}, after(time.Minute), TimedOut,
			"timeout waiting for: [Deployment/apps/web status: 'InProgress', Job/apps/once status: 'InProgress']"},
		{"unknown at timeout", map[object.Key]Result{web: {Status: Unknown, Err: errors.New("no such key: phase")}}, after(time.Minute), TimedOut,
			"timeout waiting for: [Deployment/apps/web status: 'Unknown': no such key: phase]"},
		{"terminating", map[object.Key]Result{web: {Status: Terminating}}, after(time.Second), Waiting, ""},
		{"fail fast", map[object.Key]Result{web: {Status: Failed}, api: {Status: InProgress}}, after(time.Second), Unwell,
			"failed early due to stalled resources: [Deployment/apps/web status: 'Failed']"},
		{"what the object says", map[object.Key]Result{web: {Status: Failed, Message: "Progress deadline\nexceeded"}, job: {Status: NotFound, Message: "Resource not found"}}, after(time.Minute), Unwell,
			"failed early due to stalled resources: [Deployment/apps/web status: 'Failed': Progress deadline exceeded]"},
		{"which is long", map[object.Key]Result{web: {Status: InProgress, Message: strings.Repeat("ü", 300)}}, after(time.Minute), TimedOut,
			"timeout waiting for: [Deployment/apps/web status: 'InProgress': " + strings.Repeat("ü", 199) + "…]"},
		{"fail slowly", map[object.Key]Result{web: {Status: Failed}, api: {Status: InProgress}}, slow(after(time.Second)), Waiting, ""},
		{"fail slowly, nothing else open", map[object.Key]Result{web: {Status: Failed}, api: {Status: Current}}, slow(after(time.Second)), Unwell,
			"failed early due to stalled resources: [Deployment/apps/web status: 'Failed']"},
		{"fail slowly, at timeout", map[object.Key]Result{web: {Status: Failed}, api: {Status: InProgress}}, slow(after(time.Minute)), TimedOut,
			"timeout waiting for: [Deployment/apps/api status: 'InProgress', Deployment/apps/web status: 'Failed']"},
	} {
		got := Fold(tc.results, tc.wait)
		if got.State != tc.state || got.Message != tc.message {
			t.Errorf("%s: got %s %q, want %s %q", tc.name, got.State, got.Message, tc.state, tc.message)
		}
		if (got.State == Waiting) != !got.Again.IsZero() {
			t.Errorf("%s: %s, look again at %s", tc.name, got.State, got.Again)
		}
	}
}

func TestFoldAgain(t *testing.T) {
	wait := Wait{Since: noon, Now: noon, Timeout: time.Minute}
	got := Fold(map[object.Key]Result{
		key("Pod", "a"): {Status: InProgress, Until: noon.Add(15 * time.Second)},
		key("Pod", "b"): {Status: InProgress, Until: noon.Add(5 * time.Second)},
		key("Pod", "c"): {Status: InProgress},
	}, wait)
	if want := noon.Add(5 * time.Second); !got.Again.Equal(want) {
		t.Errorf("got %s, want %s", got.Again, want)
	}
	got = Fold(map[object.Key]Result{key("Pod", "c"): {Status: InProgress}}, wait)
	if want := noon.Add(time.Minute); !got.Again.Equal(want) {
		t.Errorf("got %s, want the timeout %s", got.Again, want)
	}
}

// TestFoldWhenTheClockJumps: whatever time it is said to be, a wait that goes on
// asks to look again later than now and not after its own timeout; what the clock
// of the server says of a pod can neither make it spin nor hold it.
func TestFoldWhenTheClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	for _, jump := range []time.Duration{-day, -time.Hour, 0, time.Hour, day} {
		server := noon.Add(jump) // what the server's clock says when ours says noon
		pod := map[object.Key]Result{key("Pod", "a"): {Status: InProgress, Until: server.Add(5 * time.Second)}}
		got := Fold(pod, Wait{Since: noon, Now: noon, Timeout: time.Minute})
		if got.State != Waiting || !got.Again.After(noon) || got.Again.After(noon.Add(time.Minute)) {
			t.Errorf("server %s off: got %s, again at %s; want to wait and look within the minute", jump, got.State, got.Again)
		}
		if got = Fold(pod, Wait{Since: noon, Now: noon.Add(time.Minute), Timeout: time.Minute}); got.State != TimedOut {
			t.Errorf("server %s off, after the timeout: got %s, want %s", jump, got.State, TimedOut)
		}
	}
}

// A pod that waits for a node is looked at again within the window, also when the
// server's clock is a day ahead.
func TestUnscheduledWhenTheClockJumps(t *testing.T) {
	for jump, want := range map[time.Duration]Status{-24 * time.Hour: Failed, 0: InProgress, 24 * time.Hour: InProgress} {
		pod := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "a", "creationTimestamp": noon.Add(jump).UTC().Format(time.RFC3339)},
			"status": map[string]any{"phase": "Pending", "conditions": []any{map[string]any{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}}},
		}}
		got := Of(pod, Rules{Now: noon})
		if got.Status != want {
			t.Errorf("server %s off: got %s, want %s", jump, got.Status, want)
		}
		if want == InProgress && (!got.Until.After(noon) || got.Until.After(noon.Add(scheduleWindow))) {
			t.Errorf("server %s off: look again at %s, want within %s of %s", jump, got.Until, scheduleWindow, noon)
		}
	}
}

// TestFoldProperties: a wait passes exactly when nothing is pending, and ends
// by its timeout at the latest.
func TestFoldProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]Status{Current, InProgress, Failed, Terminating, NotFound, Unknown})
		results := map[object.Key]Result{}
		for _, name := range []string{"a", "b", "c"} {
			results[key("Deployment", name)] = Result{Status: status.Draw(t, name)}
		}
		wait := Wait{
			Since: noon, Now: noon.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second),
			Timeout: 10 * time.Second, FailFast: rapid.Bool().Draw(t, "fail fast"),
		}
		got := Fold(results, wait)
		if (got.State == Passed) != (len(got.Pending) == 0) {
			t.Fatalf("%s with %v pending", got.State, got.Pending)
		}
		if got.State == Waiting && !wait.Now.Before(noon.Add(wait.Timeout)) {
			t.Fatalf("waits beyond its timeout")
		}
		if !slices.IsSortedFunc(got.Pending, object.Compare) {
			t.Fatalf("not sorted: %v", got.Pending)
		}
		if (got.Message == "") != (got.State == Waiting) {
			t.Fatalf("%s with message %q", got.State, got.Message)
		}
	})
}
