package worldtest_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// BenchmarkCluster reports the CPU of this process per request (the server is
// another one). The budget of the engine is 250 µs.
func BenchmarkCluster(b *testing.B) {
	namespace := kubetest.Namespace(b)
	for _, protocol := range []string{"http2", "http1"} {
		w := connectWith(b, protocol)
		u := workload(namespace, "bench")
		a := world.Apply{Object: u, Manager: "bench", Force: true}
		if _, err := w.Apply(b.Context(), a); err != nil {
			b.Fatal(err)
		}
		run := func(name string, f func() error) {
			b.Run(protocol+"/"+name, func(b *testing.B) {
				b.SetParallelism(8) // as the engine does
				before := cpu(b)
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if err := f(); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
		run("get", func() error { _, err := w.Get(b.Context(), object.RefOf(u)); return err })
		run("predict", func() error { _, err := w.Predict(b.Context(), a); return err })
		run("apply", func() error { _, err := w.Apply(b.Context(), a); return err })
	}
}

func connectWith(b *testing.B, protocol string) *cluster.World {
	b.Helper()
	cfg := rest.CopyConfig(kubetest.Shared(b).Config)
	if protocol == "http1" {
		cfg.NextProtos = []string{"http/1.1"}
	}
	w, err := cluster.New(cfg, cluster.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return w
}

// cpu is the user and system time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// workload is a Deployment of the size that fleets have.
func workload(namespace, name string) *unstructured.Unstructured {
	var env []any
	for i := range 10 {
		env = append(env, map[string]any{"name": fmt.Sprintf("KEY_%d", i), "value": "value"})
	}
	probe := map[string]any{"httpGet": map[string]any{"path": "/", "port": int64(80)}}
	labels := map[string]any{"app.kubernetes.io/name": name, "kustomize.toolkit.fluxcd.io/name": "apps"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name, "namespace": namespace, "labels": labels},
		"spec": map[string]any{
			"replicas": int64(0),
			"selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "main", "image": "example.com/app:v1", "env": env, "livenessProbe": probe, "readinessProbe": probe,
					"ports":     []any{map[string]any{"name": "http", "containerPort": int64(80)}},
					"resources": map[string]any{"limits": map[string]any{"cpu": "1", "memory": "1Gi"}},
				}}},
			},
		},
	}}
}
