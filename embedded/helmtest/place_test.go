package helmtest

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/memory"
	"github.com/leat-dev/leat/internal/world/overlay"
	"github.com/leat-dev/leat/internal/world/serve"
)

// place is where releases are made: the way to look at it, and the driver's.
type place func(t testing.TB) (*rest.Config, *helm.Cluster)

// everywhere runs a test on the API server, in a world in memory, and in one laid
// over the API server, which must behave alike. What rests on health, on
// admission or on rights is tested on the server alone.
func everywhere(t *testing.T, test func(*testing.T, place)) {
	for _, on := range []struct {
		name  string
		place place
	}{{"server", server}, {"memory", inMemory}, {"overlay", overServer}} {
		t.Run(on.name, func(t *testing.T) { test(t, on.place) })
	}
}

func server(t testing.TB) (*rest.Config, *helm.Cluster) {
	config := kubetest.Shared(t).Config
	cluster, err := helm.Connect(config)
	if err != nil {
		t.Fatal(err)
	}
	return config, cluster
}

// renders are shared by all tests in memory: what one kept another finds.
var renders helm.Renders

func inMemory(t testing.TB) (*rest.Config, *helm.Cluster) {
	config, cluster := offline(t, memory.New(memory.Options{}))
	cluster.Cache(&renders)
	return config, cluster
}

func overServer(t testing.TB) (*rest.Config, *helm.Cluster) {
	below, err := cluster.New(kubetest.Shared(t).Config, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return offline(t, overlay.New(below, overlay.Options{}))
}

func offline(t testing.TB, w world.World) (*rest.Config, *helm.Cluster) {
	c, err := helm.Offline(w, "")
	if err != nil {
		t.Fatal(err)
	}
	return serve.New(w, helm.KubeVersion).Config(), c
}

// namespace makes one for this test.
func (s *stand) namespace() string {
	s.Helper()
	if s.config.Transport == nil {
		return kubetest.Namespace(s.TB)
	}
	return s.namespaceOf("demo")
}

func (s *stand) namespaceOf(name string) string {
	s.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := s.kube.CoreV1().Namespaces().Create(s.ctx, ns, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	return name
}
