package git

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// sshServer runs git-upload-pack for whoever has a key.
type sshServer struct {
	addr string
	host ssh.PublicKey

	mu       sync.Mutex
	commands []string
}

// sshOptions say how the server behaves.
type sshOptions struct {
	keys    []ssh.PublicKey
	host    string // private key, "" for a new one
	user    string // who may log in, "" for git
	v0      bool   // refuse the environment, as sshd does by default
	silent  bool   // answer nothing to commands
	refuses string // written to standard error in place of an answer
}

func newSSHServer(t testing.TB, root string, o sshOptions) *sshServer {
	t.Helper()
	if o.host == "" {
		o.host, _ = newEd25519(t, "")
	}
	signer, err := ssh.ParsePrivateKey([]byte(o.host))
	if err != nil {
		t.Fatal(err)
	}
	if o.user == "" {
		o.user = "git"
	}
	conf := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		for _, k := range o.keys {
			if c.User() == o.user && string(k.Marshal()) == string(key.Marshal()) {
				return nil, nil
			}
		}
		return nil, fmt.Errorf("unknown key")
	}}
	conf.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{addr: l.Addr().String(), host: signer.PublicKey()}
	var conns sync.WaitGroup
	var open sync.Map
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(conn, nil)
			conns.Go(func() {
				defer conn.Close()
				s.serve(conn, conf, root, o)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(k, _ any) bool { k.(net.Conn).Close(); return true })
		conns.Wait()
	})
	return s
}

func (s *sshServer) serve(conn net.Conn, conf *ssh.ServerConfig, root string, o sshOptions) {
	_, chans, reqs, err := ssh.NewServerConn(conn, conf)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(reqs)
	for nc := range chans {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return
		}
		var env []string
		for req := range reqs {
			switch req.Type {
			case "env":
				var kv struct{ Name, Value string }
				ssh.Unmarshal(req.Payload, &kv)
				req.Reply(!o.v0, nil)
				if !o.v0 {
					env = append(env, kv.Name+"="+kv.Value)
				}
			case "exec":
				var cmd struct{ Line string }
				ssh.Unmarshal(req.Payload, &cmd)
				s.mu.Lock()
				s.commands = append(s.commands, cmd.Line)
				s.mu.Unlock()
				req.Reply(true, nil)
				if o.silent {
					continue
				}
				s.run(ch, cmd.Line, root, env, o)
			default:
				req.Reply(false, nil)
			}
		}
	}
}

func (s *sshServer) run(ch ssh.Channel, line, root string, env []string, o sshOptions) {
	defer ch.Close()
	if o.refuses != "" {
		io.WriteString(ch.Stderr(), o.refuses)
		ch.SendRequest("exit-status", false, ssh.Marshal(struct{ N uint32 }{1}))
		return
	}
	cmd := exec.Command("sh", "-c", strings.Replace(line, "'/", "'"+root+"/", 1))
	cmd.Env = append(append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"), env...)
	cmd.Stdout, cmd.Stderr = ch, ch.Stderr()
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return
	}
	go func() { io.Copy(in, ch); in.Close() }()
	status := uint32(0)
	if cmd.Wait() != nil {
		status = 128
	}
	ch.SendRequest("exit-status", false, ssh.Marshal(struct{ N uint32 }{status}))
}

func (s *sshServer) known() string {
	host, port, _ := net.SplitHostPort(s.addr)
	return knownHost("["+host+"]:"+port, s.host)
}

func (s *sshServer) repo() string { return "ssh://" + s.addr + "/" + repoName + "/.git" }

func TestSSH(t *testing.T) {
	for name, old := range map[string]bool{"v2": false, "v0": true} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.commit(map[string]string{"f": "1", "g": strings.Repeat("g", 100_000)})
			key, pub := newEd25519(t, canary)
			srv := newSSHServer(t, u.root, sshOptions{keys: []ssh.PublicKey{pub}, v0: old})
			cred, err := FromSecret(srv.repo(), map[string][]byte{"identity": []byte(key), "known_hosts": []byte(srv.known()), "password": []byte(canary)})
			if err != nil {
				t.Fatal(err)
			}
			r := remote(t, newPool(t, Options{}), srv.repo(), cred)
			for i := range 3 {
				want := u.commit(map[string]string{"f": fmt.Sprint("edit ", i)})
				c := resolve(t, r, Ref{Branch: "main"})
				if c.Hash.String() != want {
					t.Errorf("got %s, want %s", c.Hash, want)
				}
				checkTree(t, u, r, c)
			}
			if got := r.Stats(); got.Objects > 4+3+3+3 {
				t.Errorf("%+v for three small changes", got)
			}
			first := u.git("rev-list", "--max-parents=0", "HEAD")
			if got := resolve(t, r, Ref{Commit: first}); got.Hash.String() != first {
				t.Errorf("got %s", got.Hash)
			}
			fails(t, r, Ref{Branch: "nope"}, fault.NotFound, "branches: main")
			missing := strings.Replace(srv.repo(), repoName, "missing.git", 1)
			fails(t, remote(t, newPool(t, Options{}), missing, cred), Ref{}, fault.NotFound, "there is no such repository")
			odd := strings.Replace(srv.repo(), repoName, "it's;$(touch pwned).git", 1)
			fails(t, remote(t, newPool(t, Options{}), odd, cred), Ref{}, fault.NotFound, "there is no such repository")
		})
	}
}

func TestSSHTrust(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	key, pub := newEd25519(t, "")
	_, stranger := newEd25519(t, "")
	weak, _ := newRSA(t, 1024)
	strong, _ := newRSA(t, 2048)
	keys := []ssh.PublicKey{pub}
	srv := newSSHServer(t, u.root, sshOptions{keys: keys})
	try := func(s *sshServer, url, known string) (fault.Class, string) {
		t.Helper()
		r, err := newPool(t, Options{}).Remote(url, Credential{Identity: secret.Of(key), KnownHosts: known})
		if err == nil {
			_, err = r.Resolve(context.Background(), Ref{Branch: "main"}, time.Time{})
		}
		return fault.ClassOf(err), fmt.Sprint(err)
	}
	hostOf := func(s *sshServer) string { h, p, _ := net.SplitHostPort(s.addr); return "[" + h + "]:" + p }
	weakHost := newSSHServer(t, u.root, sshOptions{keys: keys, host: weak})
	rsaHost := newSSHServer(t, u.root, sshOptions{keys: keys, host: strong})
	closed := newSSHServer(t, u.root, sshOptions{})
	gone := newSSHServer(t, u.root, sshOptions{keys: keys, refuses: "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n"})
	for name, c := range map[string]struct {
		srv   *sshServer
		url   string
		known string
		class fault.Class
		err   string
	}{
		"known":                {srv: srv, known: srv.known()},
		"known by many names":  {srv: srv, known: "# comment\n\n" + knownHost("github.com,"+hostOf(srv), srv.host)},
		"RSA host":             {srv: rsaHost, known: rsaHost.known()},
		"two types of key":     {srv: rsaHost, known: rsaHost.known() + knownHost(hostOf(rsaHost), stranger)},
		"another key":          {srv: srv, known: knownHost(hostOf(srv), stranger), class: fault.Trust, err: "someone may be in between"},
		"another host":         {srv: srv, known: knownHost("github.com", srv.host), class: fault.Trust, err: `is not in "known_hosts"`},
		"revoked":              {srv: srv, known: "@revoked " + srv.known(), class: fault.Trust, err: "revoked"},
		"weak host key":        {srv: weakHost, known: weakHost.known(), class: fault.Trust, err: "RSA with 1024 bits"},
		"our key is not known": {srv: closed, known: closed.known(), class: fault.Auth, err: "authentication failed"},
		"another user":         {srv: srv, url: strings.Replace(srv.repo(), "ssh://", "ssh://root@", 1), known: srv.known(), class: fault.Auth, err: "authentication failed"},
		"no repository":        {srv: gone, known: gone.known(), class: fault.NotFound, err: "there is no such repository"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.url == "" {
				c.url = c.srv.repo()
			}
			class, text := try(c.srv, c.url, c.known)
			if class != c.class || !strings.Contains(text, c.err) {
				t.Errorf("got %q: %s, want %q with %q", class, text, c.class, c.err)
			}
		})
	}
}

func TestSSHEndsWithContext(t *testing.T) {
	u := newUpstream(t)
	key, pub := newEd25519(t, "")
	srv := newSSHServer(t, u.root, sshOptions{keys: []ssh.PublicKey{pub}, silent: true})
	r := remote(t, newPool(t, Options{}), srv.repo(), Credential{Identity: secret.Of(key), KnownHosts: srv.known()})
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.client.AnyWant(ctx); fault.ClassOf(classify(err, "")) != fault.Timeout {
		t.Errorf("got %v", err)
	}
}

func TestSSHThroughProxies(t *testing.T) {
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	key, pub := newEd25519(t, "")
	srv := newSSHServer(t, u.root, sshOptions{keys: []ssh.PublicKey{pub}})
	for name, start := range map[string]func(*testing.T, *[]string) string{"http": httpProxy, "socks5": socksProxy} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			cred := Credential{Identity: secret.Of(key), KnownHosts: srv.known(), Proxy: Proxy{Address: start(t, &asked), Username: "u", Password: secret.Of(canary)}}
			resolve(t, remote(t, newPool(t, Options{}), srv.repo(), cred), Ref{Branch: "main"})
			if len(asked) == 0 {
				t.Error("the server was reached without the proxy")
			}
		})
	}
}

// A proxy that sends headers without end is given up.
func TestEndlessProxy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var sent atomic.Int64
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	work.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for n := 0; err == nil && sent.Load() < 256<<20; {
			n, err = io.WriteString(conn, "X: "+strings.Repeat("x", 4096)+"\r\n")
			sent.Add(int64(n))
		}
	})
	u := &url.URL{Scheme: "http", Host: l.Addr().String()}
	if _, err := connect(t.Context(), u, (&net.Dialer{}).DialContext, "example.com:22"); err == nil {
		t.Error("the proxy was believed")
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes were taken of it", n)
	}
}

// The same against OpenSSH.
func TestOpenSSH(t *testing.T) {
	const sshd = "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("OpenSSH's server is not installed")
	}
	u := newUpstream(t)
	u.commit(map[string]string{"f": "1"})
	dir := t.TempDir()
	hostKey, hostPub := newEd25519(t, "")
	key, pub := newEd25519(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	for name, text := range map[string]string{
		"host": hostKey, "authorized": string(ssh.MarshalAuthorizedKey(pub)),
		"conf": fmt.Sprintf("HostKey %[1]s/host\nAuthorizedKeysFile %[1]s/authorized\nPidFile none\nStrictModes no\nUsePAM no\nAcceptEnv GIT_PROTOCOL\nListenAddress 127.0.0.1:%[2]s\n", dir, port),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	stderr, err := cmd.StderrPipe()
	if err != nil || cmd.Start() != nil {
		t.Skip("OpenSSH's server does not start")
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	buf := make([]byte, 4096)
	n, _ := stderr.Read(buf) // «Server listening on …»
	if !strings.Contains(string(buf[:n]), "listening") {
		t.Skipf("OpenSSH's server does not start: %s", buf[:n])
	}
	go io.Copy(io.Discard, stderr)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	at := url.URL{Scheme: "ssh", User: url.User(me.Username), Host: addr, Path: u.dir}
	cred := Credential{Identity: secret.Of(key), KnownHosts: knownHost("[127.0.0.1]:"+port, hostPub)}
	r := remote(t, newPool(t, Options{}), at.String(), cred)
	checkTree(t, u, r, resolve(t, r, Ref{Branch: "main"}))
}
