// Package worldtest_test runs what every World must do against a real API
// server, and compares the memory world with it.
package worldtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/overlay"
	"github.com/leat-dev/leat/internal/world/worldtest"
)

// Controllers collect what was owned and what stood in namespaces.
func TestMain(m *testing.M) {
	kubetest.Quick("TestConformanceOfOverlayOverCluster", "TestMemoryEqualsServer", "TestBuiltinKindsAreThoseOfTheServer")
	kubetest.Main(m, kubetest.WithoutScheduler, kubetest.WithoutNodes)
}

// awaited bounds how long an asynchronous effect may take.
const awaited = time.Minute

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(awaited)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %s", what, awaited)
		}
	}
}

func capabilities() worldtest.Capabilities {
	return worldtest.Capabilities{Await: await, Suffix: fmt.Sprintf("-%x", time.Now().UnixNano()&0xffffff)}
}

func connect(t testing.TB, o cluster.Options) *cluster.World {
	t.Helper()
	w, err := cluster.New(kubetest.Shared(t).Config, o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestConformanceOfCluster(t *testing.T) {
	w := connect(t, cluster.Options{})
	worldtest.Run(t, func(*testing.T) world.World { return w }, capabilities())
}

func TestConformanceOfOverlayOverCluster(t *testing.T) {
	w := connect(t, cluster.Options{})
	worldtest.Run(t, func(*testing.T) world.World { return overlay.New(w, overlay.Options{}) }, worldtest.Capabilities{})
}
