package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// replica is an artifact port on loopback whose store answers with its name.
func replica(t *testing.T, name string) (*artifacts, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &artifacts{listener: ln, log: slog.New(slog.DiscardHandler), store: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, name+" "+r.URL.Path)
	})}
	p.serve()
	t.Cleanup(p.close)
	return p, ln.Addr().String()
}

func (p *artifacts) followTo(identity string) { p.follow(func() string { return identity }) }

func fetch1(t *testing.T, addr string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/gitrepository/apps/a.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(body))
}

// A client that comes to any ready replica is answered with the leader's files.
func TestReplicaThatWaitsPassesOn(t *testing.T) {
	leader, leaderAddr := replica(t, "leader")
	waiting, addr := replica(t, "waiting")
	if err := waiting.ready(t.Context()); err == nil {
		t.Error("it is ready before it knows a leader")
	}
	if code, _ := fetch1(t, addr); code != http.StatusServiceUnavailable {
		t.Errorf("without a leader: got %d, want 503", code)
	}
	leader.leads.Store(true)
	waiting.followTo(at("pod-0_x", "127.0.0.1", leader.listener))
	if err := waiting.ready(t.Context()); err != nil {
		t.Errorf("with a leader: %v", err)
	}
	if code, got := fetch1(t, addr); code != http.StatusOK || got != "leader /gitrepository/apps/a.tar.gz" {
		t.Errorf("got %d %s, want the leader's file", code, got)
	}
	leader.close()
	if err := waiting.ready(t.Context()); err == nil || !strings.Contains(err.Error(), leaderAddr) {
		t.Errorf("the leader is gone: got %v, want an error that names %s", err, leaderAddr)
	}
	if code, _ := fetch1(t, addr); code != http.StatusServiceUnavailable {
		t.Errorf("the leader is gone: got %d, want 503", code)
	}
	waiting.leads.Store(true)
	if code, got := fetch1(t, addr); code != http.StatusOK || !strings.HasPrefix(got, "waiting ") {
		t.Errorf("after its turn came: got %d %s", code, got)
	}
}

// Two replicas that each take the other for the leader end after one step.
func TestRequestsAreNotPassedInCircles(t *testing.T) {
	a, addr := replica(t, "a")
	b, _ := replica(t, "b")
	a.followTo(at("b", "127.0.0.1", b.listener))
	b.followTo(at("a", "127.0.0.1", a.listener))
	if code, _ := fetch1(t, addr); code != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", code)
	}
}

func TestProcessWithoutArtifactsIsReady(t *testing.T) {
	var p artifacts
	p.serve()
	if err := p.ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestIdentityNamesTheArtifactPort(t *testing.T) {
	for id, want := range map[string]string{
		"":                          "",
		"pod_x":                     "", // not in a pod, or another release
		"pod_x@10.0.0.1:9090":       "10.0.0.1:9090",
		"pod_x@[fd00::1]:9090":      "[fd00::1]:9090",
		"pod_x@example.com:9090":    "",
		"pod_x@10.0.0.1":            "",
		"pod_x@10.0.0.1:9090@other": "",
	} {
		if got := addressOf(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	if got := at("pod_x", "", nil); got != "pod_x" {
		t.Errorf("without an address: got %s", got)
	}
}
