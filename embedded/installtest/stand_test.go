package installtest

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/bench/gitserver"
	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// stand is an API server on which Leat is installed, with a Git repository, and
// controllers that run as their Deployments say.
type stand struct {
	*testing.T
	cluster *kubetest.Cluster
	admin   kubernetes.Interface
	world   *cluster.World
	dyn     dynamic.Interface
	gate    *gate
	git     *gitserver.Server
	objs    []*unstructured.Unstructured // of the installation
}

func newStand(t *testing.T, o install.Options) *stand {
	t.Helper()
	s := &stand{T: t, cluster: kubetest.Start(t, kubetest.APIOnly)}
	var err error
	s.admin, err = kubernetes.NewForConfig(s.cluster.Config)
	s.must(err)
	s.dyn, err = dynamic.NewForConfig(s.cluster.Config)
	s.must(err)
	s.world = connect(t, s.cluster)
	s.gate = newGate(t, s.cluster.Config)
	s.git = repository(t, map[string]string{
		"app/a.yaml":                   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {color: \"${color:=none}\"}\n",
		"tenant/b.yaml":                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
		"chart/Chart.yaml":             "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"chart/templates/service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n",
		"nowhere/c.yaml":               "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: nowhere}\n",
	})
	s.objs = render(t, o)
	s.must(install.Apply(bounded(t), s.world, s.objs, nil))
	return s
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// repository serves files, committed once, over HTTP.
func repository(t *testing.T, files map[string]string) *gitserver.Server {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "first"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	s, err := gitserver.Start(gitserver.Best(filepath.Join(dir, ".git")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// controller is a process of a Deployment, in this one.
type controller struct {
	*stand
	name   string
	logs   *logs
	files  string // address of its artifacts
	health string
	stop   func() // ends it as a kubelet does, and waits
}

// start runs the container of a Deployment: its arguments, its account's rights.
// Only addresses, paths and what more says are the test's.
func (s *stand) start(deployment string, more ...string) *controller {
	s.Helper()
	c := &controller{stand: s, name: deployment, logs: newLogs(), files: freePort(s.T), health: freePort(s.T)}
	args := append([]string{"controller"}, s.arguments(deployment)...)
	args = append(args, "--kubeconfig="+s.kubeconfig(deployment), "--storage-path="+s.TempDir(), "--metrics-addr=", "--health-addr="+c.health)
	for _, arg := range args {
		if strings.HasPrefix(arg, "--storage-adv-addr=") { // it serves files
			args = append(args, "--storage-addr="+c.files, "--storage-adv-addr="+c.files)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- cli.Main(ctx, append(args, more...), cli.Env{Out: c.logs, Err: c.logs})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if code := <-done; code != 0 {
			s.Errorf("%s ended with %d\n%s", deployment, code, c.logs.tail())
		}
	})
	s.Cleanup(c.stop)
	return c
}

// arguments are those of a Deployment's container.
func (s *stand) arguments(deployment string) []string {
	s.Helper()
	for _, obj := range s.objs {
		if obj.GetKind() != "Deployment" || obj.GetName() != deployment {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(obj.Object, "spec", "template", "spec", "containers")
		args, _, _ := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "$(RUNTIME_NAMESPACE)", install.DefaultNamespace)
		}
		return args
	}
	s.Fatalf("there is no Deployment %s", deployment)
	return nil
}

// token is one of a ServiceAccount, as a pod has it.
func (s *stand) token(account string) string {
	s.Helper()
	made, err := s.admin.CoreV1().ServiceAccounts(install.DefaultNamespace).CreateToken(
		s.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	s.must(err)
	return made.Status.Token
}

// kubeconfig has the rights of a ServiceAccount, through the gate.
func (s *stand) kubeconfig(account string) string {
	s.Helper()
	token := s.token(account)
	s.gate.knows(token, account)
	path := filepath.Join(s.TempDir(), "kubeconfig")
	s.must(os.WriteFile(path, fmt.Appendf(nil, `
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: %q}}]
`, s.gate.URL, base64.StdEncoding.EncodeToString(s.gate.CA), token), 0o600))
	return path
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// namespace makes one for a scenario.
func (s *stand) namespace(name string) string {
	s.Helper()
	s.create(fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name))
	return name
}

// create makes the objects of a text.
func (s *stand) create(text string) {
	s.Helper()
	for doc := range strings.SplitSeq(text, "\n---\n") {
		create(s.T, s.world, strings.ReplaceAll(doc, "$git", s.git.URL()))
	}
}

var (
	gitRepositories    = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
	externalArtifacts  = gitRepositories.GroupVersion().WithResource("externalartifacts")
	kustomizationsGVR  = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	artifactGenerators = schema.GroupVersionResource{Group: "source.extensions.fluxcd.io", Version: "v1beta1", Resource: "artifactgenerators"}
	configMaps         = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	helmReleases       = schema.GroupVersionResource{Group: "helm.toolkit.fluxcd.io", Version: "v2", Resource: "helmreleases"}
	services           = schema.GroupVersionResource{Version: "v1", Resource: "services"}
)

// await waits until an object is as it should be.
func (s *stand) await(gvr schema.GroupVersionResource, ns, name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	s.Helper()
	return kubetest.AwaitObject(s.T, s.dyn.Resource(gvr).Namespace(ns), name, ok)
}

func ready(obj *unstructured.Unstructured) bool {
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, c := range list {
		if m := c.(map[string]any); m["type"] == "Ready" {
			return m["status"] == "True"
		}
	}
	return false
}

// delete deletes an object and waits until it is gone.
func (s *stand) delete(gvr schema.GroupVersionResource, ns, name string) {
	s.Helper()
	s.must(s.dyn.Resource(gvr).Namespace(ns).Delete(s.Context(), name, metav1.DeleteOptions{}))
	ctx := bounded(s.T)
	for {
		_, err := s.dyn.Resource(gvr).Namespace(ns).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return
		}
		if err != nil {
			s.Fatalf("%s %s is not gone: %v", gvr.Resource, name, err)
		}
	}
}

// answers waits until an address answers GET with a code, and returns the body.
func (s *stand) answers(url string, code int) string {
	s.Helper()
	ctx := bounded(s.T)
	for last := 0; ; {
		if got, body := get(ctx, url); got == code {
			return body
		} else if last = got; ctx.Err() != nil {
			s.Fatalf("GET %s: got %d %s, want %d", url, last, body, code)
		}
	}
}

func get(ctx context.Context, url string) (int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body := make([]byte, 1<<20)
	n, _ := resp.Body.Read(body)
	return resp.StatusCode, string(body[:n])
}

// logs keeps what a controller logged, and tells who waits for a word in it.
type logs struct {
	mu   sync.Mutex
	text []byte
	news chan struct{} // closed and replaced by every write
}

func newLogs() *logs { return &logs{news: make(chan struct{})} }

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	close(l.news)
	l.news = make(chan struct{})
	return len(p), nil
}

func (l *logs) look() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text), l.news
}

func (l *logs) tail() string {
	text, _ := l.look()
	const enough = 8000
	return "its last words:\n" + text[max(0, len(text)-enough):]
}

// await waits until all words stand in one line, in the quoting of JSON or not.
func (l *logs) await(ctx context.Context, words ...string) error {
	for {
		text, news := l.look()
		for line := range strings.Lines(text) {
			if containsAll(strings.ReplaceAll(line, `\`, ""), words) {
				return nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%q is not in the log; %s", words, l.tail())
		}
	}
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}
