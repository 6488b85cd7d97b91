package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/app"
)

// doorway holds the write of a ConfigMap until it is opened.
type doorway struct {
	next          http.RoundTripper
	reached, open chan struct{}
}

// RoundTrip implements http.RoundTripper.
func (g *doorway) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPatch && strings.HasSuffix(req.URL.Path, "/configmaps/a") && !req.URL.Query().Has("dryRun") {
		g.reached <- struct{}{}
		select {
		case <-g.open:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return g.next.RoundTrip(req)
}

// stopping starts an engine that is stopped in the middle of a write.
func stopping(t *testing.T, cfg app.ServeConfig) (s *stand, g *doorway, ended <-chan error) {
	s = newStand(t)
	t.Cleanup(s.abandon)
	g = &doorway{reached: make(chan struct{}, 9), open: make(chan struct{})}
	s.cfg.REST = rest.CopyConfig(s.cfg.REST)
	s.cfg.REST.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &doorway{next, g.reached, g.open}
	})
	a, err := app.New(s.cfg)
	s.must(err)
	s.app, cfg.Log = a, s.cfg.Log
	stopped, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.RunUntil(t.Context(), stopped, cfg) }()
	s.save(files{"app/a.yaml": configMap("a", "1")})
	s.apply(source, kustomization("app", "path: ./app"))
	s.within(g.reached, "the write")
	close(stopped)
	return s, g, done
}

func (s *stand) within(c <-chan struct{}, what string) {
	s.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		s.Fatalf("%s did not come\n%s", what, s.logs.tail())
	}
}

func (s *stand) endsWell(ended <-chan error) {
	s.Helper()
	select {
	case err := <-ended:
		s.must(err)
	case <-time.After(patience):
		s.Fatalf("the engine did not end\n%s", s.logs.tail())
	}
}

func TestStop(t *testing.T) {
	t.Run("waits for what is under way", func(t *testing.T) {
		s, g, ended := stopping(t, app.ServeConfig{Grace: time.Hour})
		s.save(files{"app/b.yaml": configMap("b", "1")}) // for the next process
		_ = s.app.Controller.Wake(s.key("GitRepository/fleet"), "a push")
		close(g.open)
		s.endsWell(ended)
		s.exists("ConfigMap/a")
		s.absent("ConfigMap/b")
		if got := condition(s.now("app"), "Ready"); got.Status != "True" {
			t.Errorf("Ready: got %s %s, want what was under way to be written down", got.Status, got.Message)
		}
	})
	t.Run("a second signal ends it", func(t *testing.T) {
		signals := make(chan os.Signal, 1)
		s, _, ended := stopping(t, app.ServeConfig{Grace: time.Hour, Hurry: func() (<-chan os.Signal, func()) { return signals, func() {} }})
		signals <- os.Interrupt
		s.endsWell(ended)
		s.absent("ConfigMap/a")
	})
	t.Run("no grace", func(t *testing.T) {
		s, _, ended := stopping(t, app.ServeConfig{})
		s.endsWell(ended)
		s.absent("ConfigMap/a")
	})
}
