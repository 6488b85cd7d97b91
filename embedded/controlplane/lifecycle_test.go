package controlplane_test

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/controlplane"
	"github.com/leat-dev/leat/embedded/kubetest"
)

func TestMain(m *testing.M) {
	kubetest.Quick("TestDataSurvivesKill", "TestTakenPortIsNamed")
	kubetest.Main(m)
}

// wait bounds what a test waits for, not what is measured.
const wait = time.Minute

func start(t *testing.T, dir string, options ...kubetest.Option) (*kubetest.Cluster, *kubernetes.Clientset) {
	t.Helper()
	c := kubetest.Start(t, append(options, kubetest.DataDir(dir))...)
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c, client
}

func remember(t *testing.T, client *kubernetes.Clientset) {
	t.Helper()
	_, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "kept"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func remembers(t *testing.T, client *kubernetes.Clientset) {
	t.Helper()
	if _, err := client.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("the data of the first run is lost: %v", err)
	}
}

func done(t *testing.T, c *kubetest.Cluster) error {
	t.Helper()
	select {
	case <-c.Process.Done():
		return c.Process.Err()
	case <-time.After(wait):
		t.Fatal("the control plane does not end")
		return nil
	}
}

func TestDataAndPortAreKeptBetweenRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, client := start(t, dir)
	remember(t, client)
	first.Stop()
	for _, left := range leftovers(t, dir) {
		t.Errorf("left after the stop: %s", left)
	}
	second, client := start(t, dir)
	remembers(t, client)
	if got, want := second.Process.Server(), first.Process.Server(); got != want {
		t.Errorf("server: got %s, want %s", got, want)
	}
}

// leftovers are sockets, locks and temporary files.
func leftovers(t *testing.T, dir string) (left []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		tmp := strings.HasSuffix(path, ".tmp") && filepath.Dir(path) == dir
		if d.Type()&fs.ModeSocket != 0 || d.Name() == "lock" || tmp {
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func TestTermStopsCleanly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, _ := start(t, dir)
	if err := syscall.Kill(c.Process.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := done(t, c); err == nil || !strings.Contains(err.Error(), "stopped from outside") {
		t.Errorf("got %v, want that it was stopped from outside", err)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left after the stop: %s", left)
	}
}

func TestDataSurvivesKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, client := start(t, dir)
	remember(t, client)
	if err := syscall.Kill(c.Process.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := done(t, c); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v, want that it was killed", err)
	}
	_, client = start(t, dir)
	remembers(t, client)
}

func TestSecondStartOnADirectoryNamesTheFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, _ := start(t, dir, kubetest.APIOnly)
	fails(t, dir, "pid "+strconv.Itoa(first.Process.PID()))
}

// fails starts a control plane and expects an error with this text.
func fails(t *testing.T, dir, want string, options ...kubetest.Option) {
	t.Helper()
	c, err := kubetest.New(append(options, kubetest.APIOnly, kubetest.DataDir(dir))...)
	if err == nil {
		c.Stop()
		t.Fatalf("it started; want an error with %q", want)
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	fails(t, t.TempDir(), "port "+strconv.Itoa(port)+" on 127.0.0.1 is taken", kubetest.Port(port))
}

func TestLongPathWorks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 50))
	start(t, dir, kubetest.APIOnly)
}

func TestReportsTheReleaseThatIsLinkedIn(t *testing.T) {
	t.Parallel()
	client, err := kubernetes.NewForConfig(kubetest.Shared(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if got.GitVersion != controlplane.Version {
		t.Errorf("server version: got %s, want %s", got.GitVersion, controlplane.Version)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(mod, []byte("k8s.io/kubernetes "+controlplane.Version+"\n")) {
		t.Errorf("go.mod does not require k8s.io/kubernetes %s: change controlplane.Version with it", controlplane.Version)
	}
}

func TestBuiltInObjectsAreThoseOfUpstream(t *testing.T) {
	slow(t)
	ours, theirs := t.TempDir(), t.TempDir()
	// An older version in the marker makes kube-apiserver's own hooks run.
	if err := os.WriteFile(filepath.Join(theirs, "seeded"), []byte("v1.35.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, a := start(t, ours, kubetest.APIOnly)
	_, b := start(t, theirs, kubetest.APIOnly)
	got, want := builtIn(t, a), builtIn(t, b)
	if len(want) < 100 {
		t.Fatalf("upstream wrote only %d objects: %v", len(want), want)
	}
	for name := range want {
		if !got[name] {
			t.Errorf("missing %s", name)
		}
	}
	for name := range got {
		if !want[name] {
			t.Errorf("upstream has no %s", name)
		}
	}
	if b, err := os.ReadFile(filepath.Join(theirs, "seeded")); string(b) != controlplane.Version+"\n" {
		t.Errorf("marker after the upgrade: got %q, %v", b, err)
	}
}

// builtIn names roles, bindings and priority classes with what they say.
func builtIn(t *testing.T, c *kubernetes.Clientset) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	ctx, all := context.Background(), metav1.ListOptions{}
	roles, err1 := c.RbacV1().ClusterRoles().List(ctx, all)
	bindings, err2 := c.RbacV1().ClusterRoleBindings().List(ctx, all)
	local, err3 := c.RbacV1().Roles("").List(ctx, all)
	localBindings, err4 := c.RbacV1().RoleBindings("").List(ctx, all)
	classes, err5 := c.SchedulingV1().PriorityClasses().List(ctx, all)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	add := func(kind string, m metav1.ObjectMeta, rest any) {
		names[strings.Join([]string{kind, m.Namespace, m.Name, text(rest)}, " ")] = true
	}
	for _, o := range roles.Items {
		add("ClusterRole", o.ObjectMeta, []any{o.Labels, o.Annotations, o.Rules, o.AggregationRule})
	}
	for _, o := range bindings.Items {
		add("ClusterRoleBinding", o.ObjectMeta, []any{o.Labels, o.Annotations, o.RoleRef, o.Subjects})
	}
	for _, o := range local.Items {
		add("Role", o.ObjectMeta, []any{o.Labels, o.Annotations, o.Rules})
	}
	for _, o := range localBindings.Items {
		add("RoleBinding", o.ObjectMeta, []any{o.Labels, o.Annotations, o.RoleRef, o.Subjects})
	}
	for _, o := range classes.Items {
		add("PriorityClass", o.ObjectMeta, []any{o.Value, o.GlobalDefault, o.Description, o.PreemptionPolicy})
	}
	return names
}
