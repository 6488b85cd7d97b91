package e2e

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// farAway is another cluster: an API server without controllers, so that nothing
// becomes ready there unless a test says so. All tests share it; it ends with the
// test binary.
var farAway = sync.OnceValues(func() (*kubetest.Cluster, error) { return kubetest.New(kubetest.APIOnly) })

// far is the other cluster as a person sees it, through a line of its own, in
// which the namespace has the same name.
type far struct {
	*stand
	cfg  *rest.Config
	line *line
}

// remotely gives the test an engine that may work in other clusters, and another
// cluster.
func remotely(t *testing.T, options ...func(*app.Config)) (*stand, *far) {
	t.Helper()
	s := up(t, append(options, func(c *app.Config) { c.Remotes.Allowed = true })...)
	c, err := farAway()
	s.must(err)
	f := &far{stand: &stand{T: t, ns: s.ns, logs: s.logs, app: s.app}, cfg: c.Config}
	f.world, err = cluster.New(c.Config, cluster.Options{})
	s.must(err)
	f.dyn, err = dynamic.NewForConfig(c.Config)
	s.must(err)
	_, err = f.set().CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}, metav1.CreateOptions{})
	s.must(err)
	server, err := url.Parse(c.Config.Host)
	s.must(err)
	f.line = lay(t, server.Host)
	return s, f
}

func (f *far) set() *kubernetes.Clientset {
	f.Helper()
	set, err := kubernetes.NewForConfig(f.cfg)
	f.must(err)
	return set
}

// kubeconfig leads to the cluster through the line, for an administrator unless
// edit says otherwise.
func (f *far) kubeconfig(edit ...func(*api.Config)) string {
	f.Helper()
	return kubeconfigFor(f.stand, f.cfg, "https://"+f.line.addr(), edit...)
}

func kubeconfigFor(s *stand, cfg *rest.Config, server string, edit ...func(*api.Config)) string {
	s.Helper()
	file := api.NewConfig()
	file.CurrentContext = "far"
	file.Contexts["far"] = &api.Context{Cluster: "far", AuthInfo: "me"}
	file.Clusters["far"] = &api.Cluster{Server: server, CertificateAuthorityData: cfg.CAData}
	file.AuthInfos["me"] = &api.AuthInfo{ClientCertificateData: cfg.CertData, ClientKeyData: cfg.KeyData}
	for _, one := range edit {
		one(file)
	}
	text, err := clientcmd.Write(*file)
	s.must(err)
	return string(text)
}

// withToken makes a kubeconfig that of a token.
func withToken(token string) func(*api.Config) {
	return func(c *api.Config) { c.AuthInfos["me"] = &api.AuthInfo{Token: token} }
}

// secretOf is a Secret with a kubeconfig.
func secretOf(kubeconfig string, key ...string) string {
	under := "value"
	if len(key) > 0 {
		under = key[0]
	}
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: far, namespace: $ns}\nstringData:\n  " + under + ": |\n    " +
		strings.ReplaceAll(strings.TrimSpace(kubeconfig), "\n", "\n    ") + "\n"
}

const inFar = "kubeConfig: {secretRef: {name: far}}"

// line is a connection to a server that can be cut.
type line struct {
	to string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	accepted int
	changed  chan struct{}
}

func lay(t *testing.T, to string) *line {
	t.Helper()
	l := &line{to: to, open: map[net.Conn]bool{}, changed: make(chan struct{}, 1)}
	if err := l.mend("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.cut)
	return l
}

func (l *line) addr() string { return l.listener.Addr().String() }

// cut ends every connection and lets no more begin.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.listener.Close()
	for c := range l.open {
		_ = c.Close()
	}
}

// mend lets connections begin at an address.
func (l *line) mend(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = ln
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	return nil
}

func (l *line) carry(c net.Conn) {
	there, err := net.Dial("tcp", l.to)
	if err != nil {
		_ = c.Close()
		return
	}
	l.note(c, true)
	defer l.note(c, false)
	go func() {
		_, _ = io.Copy(c, there)
		_ = c.Close()
	}()
	_, _ = io.Copy(there, c)
	_, _ = there.Close(), c.Close()
}

func (l *line) note(c net.Conn, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.open[c] = true
		l.accepted++
	} else {
		delete(l.open, c)
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// counts returns how many connections there were, and how many are open.
func (l *line) counts() (all, open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted, len(l.open)
}

// silent waits until no connection is open.
func (f *far) silent() {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, open := f.line.counts(); open == 0 {
			return
		}
		select {
		case <-f.line.changed:
		case <-ctx.Done():
			f.Fatalf("the cluster is still connected after %s\n%s", patience, f.logs.tail())
		}
	}
}
