package accesstest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/install"
	"github.com/leat-dev/leat/internal/world/cluster"
)

func TestMain(m *testing.M) {
	if args := os.Getenv(argsEnv); args != "" { // this process is the controller
		os.Exit(cli.Main(context.Background(), strings.Split(args, "\n"), cli.Env{Out: os.Stdout, Err: os.Stderr}))
	}
	kubetest.Quick("TestAccess")
	kubetest.Main(m, kubetest.WithoutScheduler, kubetest.WithoutNodes)
}

// argsEnv tells the test binary to be leat with these arguments.
const argsEnv = "LEAT_ACCESSTEST_ARGS"

// within bounds each wait.
const within = time.Minute

var (
	requests    = schema.GroupVersionResource{Group: access.Group, Version: access.Version, Resource: "accessrequests"}
	decisions   = requests.GroupVersion().WithResource("accessdecisions")
	policies    = requests.GroupVersion().WithResource("accesspolicies")
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	units       = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	bindings    = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"}
	accounts    = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	roles       = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
)

// stand is an API server with an installation that grants access.
type stand struct {
	*testing.T
	cluster *kubetest.Cluster
	admin   kubernetes.Interface
	dyn     dynamic.Interface
	home    string // of the people, with their keys
	logs    *logs
	stop    func() // kills the controller
}

// people are the users, with their groups.
var people = map[string][]string{"alice": {"developers"}, "bob": {"developers"}, "carol": {"platform"}, "dave": {"developers"}, "eve": {"developers", "approvers-of-elsewhere"}, "pat": {"proposers"}}

var prepare sync.Once

func newStand(t *testing.T) *stand {
	t.Helper()
	c := kubetest.Shared(t)
	s := &stand{T: t, cluster: c, home: t.TempDir(), logs: &logs{}, stop: func() {}}
	var err error
	s.admin, err = kubernetes.NewForConfig(c.Config)
	s.must(err)
	s.dyn, err = dynamic.NewForConfig(c.Config)
	s.must(err)
	t.Setenv("HOME", s.home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(s.home, ".config"))
	prepare.Do(s.install)
	return s
}

// install puts an installation there whose process is no administrator, with the roles
// of people.
func (s *stand) install() {
	s.Helper()
	w, err := cluster.New(s.cluster.Config, cluster.Options{FieldValidation: "Strict"})
	s.must(err)
	objs, err := install.Render(install.Options{Access: true, ActAsControllers: true})
	s.must(err)
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	s.must(install.Apply(ctx, w, objs, nil))
	s.must(install.Apply(ctx, w, objs, func(step install.Step) {
		if step.Op != install.Unchanged && step.Key.Kind != "Deployment" && step.Key.Kind != "ResourceQuota" {
			s.Errorf("installed again: %s %s", step.Op, step.Key)
		}
	}))
	for group, role := range map[string]string{"developers": "leat-access-requester", "platform": "leat-access-approver", "proposers": "leat-access-proposer"} {
		s.create(fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: %s}]`, role, role, group))
	}
}

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// start runs the controller as a process with its account's rights; it applies what
// others fetched where no more components are named.
func (s *stand) start(more ...string) {
	s.Helper()
	args := []string{
		"controller", "--access", "--act-as-controllers", "--components=" + strings.Join(append(more, "kustomize-controller"), ","), "--kubeconfig=" + s.kubeconfig("leat", s.controller()),
		"--storage-path=" + s.TempDir(), "--storage-addr=", "--metrics-addr=", "--health-addr=",
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), argsEnv+"="+strings.Join(args, "\n"))
	cmd.Stdout, cmd.Stderr = s.logs, s.logs
	s.must(cmd.Start())
	s.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	s.Cleanup(s.stop)
	s.Cleanup(func() {
		if s.Failed() {
			s.Log(s.logs.String())
		}
	})
}

// controller is who the controller is to the API server, by a token.
func (s *stand) controller() *clientcmdapi.AuthInfo {
	s.Helper()
	made, err := s.admin.CoreV1().ServiceAccounts(install.DefaultNamespace).CreateToken(
		s.Context(), "leat", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	s.must(err)
	return &clientcmdapi.AuthInfo{Token: made.Status.Token}
}

// kubeconfig writes one for a user.
func (s *stand) kubeconfig(name string, user *clientcmdapi.AuthInfo) string {
	s.Helper()
	cfg, err := clientcmd.LoadFromFile(s.cluster.Kubeconfig)
	s.must(err)
	now := cfg.Contexts[cfg.CurrentContext]
	if user.Token == "" { // the administrator in the name of somebody
		admin := *cfg.AuthInfos[now.AuthInfo]
		admin.Impersonate, admin.ImpersonateGroups = user.Impersonate, user.ImpersonateGroups
		user = &admin
	}
	cfg.AuthInfos[now.AuthInfo] = user
	path := filepath.Join(s.TempDir(), name)
	s.must(clientcmd.WriteToFile(*cfg, path))
	return path
}

// leat runs a verb as a person and returns what it printed and its exit code.
func (s *stand) leat(who string, args ...string) (string, int) {
	s.Helper()
	user := &clientcmdapi.AuthInfo{Impersonate: who, ImpersonateGroups: append([]string{"system:authenticated"}, people[who]...)}
	at := 2 // before a command after --
	args = append(args[:at:at], append([]string{"--kubeconfig=" + s.kubeconfig(who, user)}, args[at:]...)...)
	var out bytes.Buffer
	code := cli.Main(s.Context(), args, cli.Env{Out: &out, Err: &out})
	return out.String(), code
}

// does runs a verb that must work.
func (s *stand) does(who string, args ...string) string {
	s.Helper()
	out, code := s.leat(who, args...)
	if code != 0 {
		s.Fatalf("%s: leat %s: exit %d\n%s", who, strings.Join(args, " "), code, out)
	}
	return out
}

// cannot runs a verb that must fail with these words.
func (s *stand) cannot(words, who string, args ...string) {
	s.Helper()
	if out, code := s.leat(who, args...); code == 0 || !strings.Contains(out, words) {
		s.Errorf("%s: leat %s: exit %d, %q; want %q", who, strings.Join(args, " "), code, out, words)
	}
}

// asks makes a request and returns its name.
func (s *stand) asks(who string, args ...string) string {
	s.Helper()
	var r access.Request
	out := s.does(who, append([]string{"access", "request", "-o=json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
	return r.Name
}

// await waits until a request is as it should be.
func (s *stand) await(name string, ok func(access.Request) bool) access.Request {
	s.Helper()
	var last access.Request
	kubetest.AwaitObject(s.T, s.dyn.Resource(requests), name, func(u *unstructured.Unstructured) bool {
		r, err := access.DecodeRequest(u)
		s.must(err)
		last = r
		return ok(r)
	})
	return last
}

func (s *stand) reaches(name string, phase access.Phase) access.Request {
	s.Helper()
	return s.await(name, func(r access.Request) bool { return r.Status.Phase == phase })
}

// granted asks for a role and has it approved.
func (s *stand) granted(who string, args ...string) access.Request {
	s.Helper()
	name := s.asks(who, args...)
	s.looked(name)
	s.does("carol", "access", "approve", name)
	return s.reaches(name, access.Active)
}

func (s *stand) looked(name string) access.Request {
	s.Helper()
	return s.await(name, func(r access.Request) bool { return r.Status.Snapshot != nil })
}

// token opens that of a grant.
func (s *stand) token(r access.Request) string {
	s.Helper()
	key, err := os.ReadFile(filepath.Join(s.home, ".config", "leat", "access", r.Name+".key"))
	s.must(err)
	private, _, _ := strings.Cut(string(key), "\n")
	token, err := access.Open(r.Status.Grant.Token, r.Spec.Key, private)
	s.must(err)
	return token
}

// with is a client with nothing but a token.
func (s *stand) with(token string) dynamic.Interface {
	s.Helper()
	cfg := rest.AnonymousClientConfig(s.cluster.Config)
	cfg.BearerToken = token
	return s.client(cfg)
}

// as is a client of the administrator in somebody's name.
func (s *stand) as(user string, groups ...string) dynamic.Interface {
	s.Helper()
	cfg := rest.CopyConfig(s.cluster.Config)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return s.client(cfg)
}

func (s *stand) client(cfg *rest.Config) dynamic.Interface {
	s.Helper()
	cfg.QPS = -1
	d, err := dynamic.NewForConfig(cfg)
	s.must(err)
	return d
}

// namespace makes one.
func (s *stand) namespace(name string) string {
	s.Helper()
	s.create("apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}")
	return name
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return u
}

// create makes an object as the administrator.
func (s *stand) create(text string) *unstructured.Unstructured {
	s.Helper()
	made, err := s.make(s.dyn, text)
	s.must(err)
	return made
}

// make makes an object with a client, as kubectl does.
func (s *stand) make(client dynamic.Interface, text string) (*unstructured.Unstructured, error) {
	s.Helper()
	u := parse(s.T, text)
	return client.Resource(resourceOf(u)).Namespace(u.GetNamespace()).Create(s.Context(), u, metav1.CreateOptions{FieldManager: "kubectl-create"})
}

// resourceOf guesses the resource of a kind, which works for all that are used here.
func resourceOf(u *unstructured.Unstructured) schema.GroupVersionResource {
	gvk := u.GroupVersionKind()
	plural := strings.ToLower(gvk.Kind) + "s"
	if strings.HasSuffix(gvk.Kind, "y") {
		plural = strings.TrimSuffix(plural, "ys") + "ies"
	}
	return gvk.GroupVersion().WithResource(plural)
}

// policy makes the AccessPolicy of an environment. The tests share a cluster and people,
// so that these may ask often where nothing else is said.
func (s *stand) policy(name, more string) {
	s.Helper()
	if name != "flooded" {
		more += "  perPerson: 100\n"
	}
	u := parse(s.T, "apiVersion: leat.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: "+name+"}\nspec:\n  requesters: {groups: [developers]}\n  approvers: {groups: [platform], users: [alice]}\n"+more)
	_, err := s.dyn.Resource(policies).Create(s.Context(), u, metav1.CreateOptions{})
	s.must(err)
}

// edit is the policy that allows edit in a namespace.
func edit(ns string) string {
	return "  roles: [{name: edit, namespaces: [" + ns + "], maximum: 1h}]\n"
}

// events are the reasons and messages of a request's events.
func (s *stand) awaitEvents(name string, reasons ...string) map[string]string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	w, err := s.admin.CoreV1().Events("default").Watch(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=" + name})
	s.must(err)
	defer w.Stop()
	told := map[string]string{}
	for e := range w.ResultChan() {
		raw, err := json.Marshal(e.Object)
		s.must(err)
		var event struct{ Reason, Message string }
		s.must(json.Unmarshal(raw, &event))
		told[event.Reason] = event.Message
		if missing(told, reasons) == "" {
			return told
		}
	}
	s.Fatalf("no event %s; there are %v", missing(told, reasons), maps.Collect(maps.All(told)))
	return nil
}

func missing(told map[string]string, reasons []string) string {
	for _, r := range reasons {
		if told[r] == "" {
			return r
		}
	}
	return ""
}

type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
