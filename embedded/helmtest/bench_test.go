package helmtest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/helm"
)

// BenchmarkInstall installs releases of four objects that need no waiting and
// reports what one costs the engine: processor time of this process (the server
// is another one) and API requests.
func BenchmarkInstall(b *testing.B) {
	s := newStand(b, server, web("1.0.0"))
	var requests int64
	install := func(i int) {
		job := s.job
		job.Object = s.job.Object.DeepCopy()
		job.Object.Name = fmt.Sprintf("demo-%d", i)
		job.Values = map[string]any{"name": job.Object.Name, "replicas": 0}
		out, err := s.driver.Install(s.ctx, job)
		if err != nil {
			b.Fatal(err)
		}
		requests += out.Requests
		if _, err := s.driver.Observe(s.ctx, helm.PlaceOf(job.Object)); err != nil {
			b.Fatal(err)
		}
	}
	install(0)
	requests = 0
	before := cpu(b)
	b.ResetTimer()
	for i := range b.N {
		install(i + 1)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
