package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/isolate"
	"github.com/leat-dev/leat/internal/object"
)

func init() {
	groups["HelmRelease"] = object.GroupHelm
	if len(os.Args) > 1 && os.Args[1] == "isolated" {
		fmt.Fprintln(os.Stderr, app.ServeIsolated(os.Args[2:]))
		os.Exit(1)
	}
}

// isolating makes an engine render charts in children. Each test names its own
// program, by another link to it, so that it can tell its children from others'.
func isolating(t *testing.T, exe *string) func(*app.Config) {
	t.Helper()
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	*exe = filepath.Join(t.TempDir(), "leat")
	if err := os.Symlink(own, *exe); err != nil {
		t.Fatal(err)
	}
	return func(cfg *app.Config) {
		cfg.Isolate = &isolate.Config{Command: []string{*exe, "isolated"}, Children: 2, Memory: 256 << 20}
	}
}

// childrenOf lists the processes that were started as exe.
func childrenOf(exe string) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err == nil && strings.HasPrefix(string(text), exe+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// tplRelease is a HelmRelease of a chart that passes a value to tpl.
func tplRelease(name, text string) string {
	return fmt.Sprintf(`
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: %s, namespace: $ns}
spec:
  interval: 24h
  chart: {spec: {chart: ./tpl, sourceRef: {kind: GitRepository, name: fleet}}}
  values: {text: %q}
`, name, text)
}

var tplChart = files{
	"tpl/Chart.yaml":       "apiVersion: v2\nname: tpl\nversion: 1.0.0\n",
	"tpl/templates/a.yaml": configMap("{{ .Release.Name }}", "{{ tpl .Values.text . }}"),
}

// settledRelease waits until a HelmRelease is Ready, or is not, with a text in the
// message.
func (s *stand) settledRelease(name, status, text string) {
	s.Helper()
	s.awaitFor(3*patience, "HelmRelease/"+name, func(o *unstructured.Unstructured) bool {
		if o == nil {
			return false
		}
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			c := c.(map[string]any)
			if c["type"] == "Ready" && c["status"] == status && strings.Contains(fmt.Sprint(c["message"]), text) {
				return true
			}
		}
		return false
	})
}

// taken is the memory that this process has from the system, in bytes: it never
// becomes less.
func taken() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// Charts that take more memory than there is kill their child and nobody else: a
// hundred units converge meanwhile, ten of them charts that use tpl as well.
func TestCase11HostileChartsDieAlone(t *testing.T) {
	before := taken()
	var exe string
	s := up(t, isolating(t, &exe))
	double := "{{ $x := `0123456789` }}" + strings.Repeat("{{ $x = cat $x $x }}", 40) + "{{ $x }}"
	bombs := map[string]struct{ text, want string }{
		"doubles": {double, "more than 256 MiB of memory"},
		"nests":   {"{{ tpl (cat .Values.text .Values.text) . }}", "render chart tpl"},
		"repeats": {"{{ repeat 1000000000 `x` }}", "repeat 1000000000"},
		"itself":  {"{{ $d := dict }}{{ $_ := set $d `a` $d }}{{ $d }}", "recursed too deeply"},
		"huge":    {strings.Repeat("{{ repeat 8000000 `x` }}", 100), "render chart tpl"},
	}
	s.save(tplChart)
	objects := []string{source}
	for name, b := range bombs {
		objects = append(objects, tplRelease(name, b.text))
	}
	for i := range 90 {
		dir := fmt.Sprintf("by%d", i)
		s.save(files{dir + "/a.yaml": configMap(dir, "1")})
		objects = append(objects, kustomization(dir, "path: ./"+dir))
	}
	for i := range 10 {
		objects = append(objects, tplRelease(fmt.Sprintf("good%d", i), "{{ .Release.Name }}"))
	}
	s.apply(objects...)
	for i := range 90 {
		s.ready(fmt.Sprintf("by%d", i))
	}
	for i := range 10 {
		name := fmt.Sprintf("good%d", i)
		s.settledRelease(name, "True", "")
		s.data("ConfigMap/"+name, name)
	}
	for name, b := range bombs {
		s.settledRelease(name, "False", b.want)
	}
	if grown := taken() - before; grown > 512<<20 {
		t.Errorf("the engine took %d MiB more memory", grown>>20)
	}
	if left := childrenOf(exe); len(left) > 2 {
		t.Errorf("there are %d children, want 2 at most", len(left))
	}
	s.stop()
	if left := childrenOf(exe); len(left) != 0 {
		t.Errorf("the processes %v outlive the engine", left)
	}
}

// A child that somebody kills while it renders is replaced; one that renders when
// the engine ends goes with it.
func TestKilledChildIsReplaced(t *testing.T) {
	var exe string
	s := up(t, isolating(t, &exe))
	s.save(tplChart)
	s.apply(source, tplRelease("slow", "{{ range 5000000 }}{{ end }}done"))
	first := s.child(exe)
	s.must(syscall.Kill(first, syscall.SIGKILL))
	s.settledRelease("slow", "True", "")
	s.data("ConfigMap/slow", "done")

	s.apply(tplRelease("endless", "{{ range 100000000 }}{{ range 100000000 }}{{ end }}{{ end }}"))
	s.await("HelmRelease/endless", func(o *unstructured.Unstructured) bool {
		return o != nil && strings.Contains(fmt.Sprint(o.Object["status"]), "install")
	})
	s.child(exe)
	s.stop()
	if left := childrenOf(exe); len(left) != 0 {
		t.Errorf("the processes %v outlive the engine", left)
	}
}

// child waits until there is a child.
func (s *stand) child(exe string) int {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if pids := childrenOf(exe); len(pids) > 0 {
			return pids[0]
		}
	}
	s.Fatal("no child was started")
	return 0
}
