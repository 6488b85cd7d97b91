package charts_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/charts"
	"github.com/leat-dev/leat/internal/source/fault"
)

const index = "apiVersion: v1\nentries: {}\n"

func pool(t *testing.T, o charts.Options) *charts.Pool {
	t.Helper()
	p := charts.NewPool(o)
	t.Cleanup(p.Close)
	return p
}

func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestIndex(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "me" || password != "canary-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/charts/index.yaml" || r.URL.RawQuery != "a=b" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Encoding", "gzip")
		zw := gzip.NewWriter(w)
		_, _ = zw.Write([]byte(index))
		_ = zw.Close()
	})
	p := pool(t, charts.Options{})
	cred, note, err := charts.FromSecrets(map[string][]byte{"username": []byte("me"), "password": []byte("canary-1")}, nil)
	if err != nil || note != "" {
		t.Fatal(err, note)
	}
	req := charts.Request{URL: s.URL + "/charts?a=b", Credential: cred}
	got, err := p.Index(t.Context(), req)
	if err != nil || string(got.Data) != index || got.Digest != hash.OfString(index).String() {
		t.Fatalf("got %s %q, %v", got.Digest, got.Data, err)
	}
	req.Have = got.Digest
	if again, err := p.Index(t.Context(), req); err != nil || again.Data != nil || again.Digest != got.Digest {
		t.Errorf("asked again: got %s %q, %v", again.Digest, again.Data, err)
	}
	req.Have = "sha256:other"
	if again, err := p.Index(t.Context(), req); err != nil || string(again.Data) != index {
		t.Errorf("asked by another: got %q, %v", again.Data, err)
	}
	withUser := strings.Replace(s.URL, "http://", "http://me:canary-1@", 1) + "/charts/?a=b"
	if got, err := p.Index(t.Context(), charts.Request{URL: withUser}); err != nil || string(got.Data) != index {
		t.Errorf("credential in the URL: got %q, %v", got.Data, err)
	}
	wrong := strings.Replace(withUser, "canary-1", "canary-2", 1)
	_, err = p.Index(t.Context(), charts.Request{URL: wrong})
	if fault.ClassOf(err) != fault.Auth || strings.Contains(fmt.Sprint(err), "canary") {
		t.Errorf("wrong password: got %v", err)
	}
}

// Many who ask at once, and those who ask soon after, share one download; another
// credential has one of its own.
func TestSharing(t *testing.T) {
	var asked atomic.Int64
	enter := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-enter
		_, _ = w.Write([]byte(index))
	})
	now := time.Now()
	p := pool(t, charts.Options{Now: func() time.Time { return now }})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := p.Index(t.Context(), charts.Request{URL: s.URL, Since: now.Add(-time.Second)}); err != nil {
				t.Error(err)
			}
		})
	}
	close(enter)
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("50 asked at once: %d downloads", n)
	}
	for _, r := range []struct {
		req  charts.Request
		want int64
	}{
		{charts.Request{URL: s.URL + "/", Since: now}, 1},
		{charts.Request{URL: s.URL, Since: now.Add(time.Second)}, 2},
		{charts.Request{URL: s.URL, Since: now, Credential: charts.Credential{Username: "a", Password: secret.Of("b")}}, 3},
	} {
		if _, err := p.Index(t.Context(), r.req); err != nil {
			t.Fatal(err)
		}
		if n := asked.Load(); n != r.want {
			t.Errorf("%v: %d downloads, want %d", r.req.Since.Sub(now), n, r.want)
		}
	}
}

// A download ends with the last who waits for it.
func TestNobodyWaits(t *testing.T) {
	ended := make(chan struct{})
	started := make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		close(ended)
	})
	p := pool(t, charts.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	if _, err := p.Index(ctx, charts.Request{URL: s.URL}); fault.ClassOf(err) != fault.Timeout {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestChart(t *testing.T) {
	data := []byte("a chart")
	digest := hash.Of(data).Hex()
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/charts/web-1.0.0.tgz" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(data)
	})
	p := pool(t, charts.Options{})
	req := charts.Request{URL: s.URL + "/charts"}
	v := chart.Version{Name: "web", Version: "1.0.0", URLs: []string{"web-1.0.0.tgz"}, Digest: digest}
	for range 3 {
		if got, err := p.Chart(t.Context(), req, v); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d downloads of one digest", n)
	}
	v.Digest = hash.OfString("another").Hex()
	if _, err := p.Chart(t.Context(), req, v); fault.ClassOf(err) != fault.Corrupt {
		t.Errorf("wrong digest: got %v", err)
	}
	for address, want := range map[string]fault.Class{
		"absent.tgz": fault.NotFound, "file:///etc/passwd": fault.Invalid, "oci://x/y": fault.Invalid, "%zz": fault.Invalid,
	} {
		v := chart.Version{Name: "web", URLs: []string{address}}
		if _, err := p.Chart(t.Context(), req, v); fault.ClassOf(err) != want {
			t.Errorf("%s: got %v, want class %q", address, err, want)
		}
	}
	if _, err := p.Chart(t.Context(), req, chart.Version{Name: "web"}); fault.ClassOf(err) != fault.NotFound {
		t.Errorf("no address: got %v", err)
	}
}

// Credentials go to the repository's host, to that of a chart where the
// repository says so, and to no host that a redirect leads to.
func TestWhereCredentialsGo(t *testing.T) {
	var elsewhere *httptest.Server
	seen := map[string]bool{} // by what was asked for: did it come with credentials
	var mu sync.Mutex
	note := func(name string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _, ok := r.BasicAuth()
		seen[name+r.URL.Path] = ok || r.Header.Get("Cookie") != "" || strings.Contains(r.Referer(), "token")
	}
	third := serve(t, func(w http.ResponseWriter, r *http.Request) {
		note("third", r)
		_, _ = w.Write([]byte("x"))
	})
	elsewhere = serve(t, func(w http.ResponseWriter, r *http.Request) {
		note("elsewhere", r)
		if r.URL.Path == "/on" {
			http.Redirect(w, r, third.URL+"/redirected", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("x"))
	})
	home := serve(t, func(w http.ResponseWriter, r *http.Request) {
		note("home", r)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, elsewhere.URL+"/redirected", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		default:
			_, _ = w.Write([]byte("x"))
		}
	})
	for _, c := range []struct {
		pass          bool
		address, want string
	}{
		{false, "a.tgz", "home/a.tgz true"},
		{false, elsewhere.URL + "/chart", "elsewhere/chart false"},
		{true, elsewhere.URL + "/passed", "elsewhere/passed true"},
		{false, "away", "elsewhere/redirected false"},
		{true, "away", "elsewhere/redirected false"},
		{true, elsewhere.URL + "/on", "third/redirected false"},
	} {
		clear(seen)
		p := pool(t, charts.Options{})
		req := charts.Request{URL: home.URL + "?token=1", Credential: charts.Credential{Username: "me", Password: secret.Of("x"), PassCredentials: c.pass}}
		if _, err := p.Chart(t.Context(), req, chart.Version{Name: "a", URLs: []string{c.address}}); err != nil {
			t.Fatal(err)
		}
		name, want, _ := strings.Cut(c.want, " ")
		if got, there := seen[name]; !there || fmt.Sprint(got) != want {
			t.Errorf("passCredentials %v, %s: got %v", c.pass, c.address, seen)
		}
	}
	p := pool(t, charts.Options{})
	if _, err := p.Chart(t.Context(), charts.Request{URL: home.URL}, chart.Version{URLs: []string{"loop"}}); err == nil || !strings.Contains(err.Error(), "too many redirects") {
		t.Errorf("a loop: got %v", err)
	}
}

func TestTLS(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(index)) })
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/down") {
			http.Redirect(w, r, plain.URL, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(index))
	}))
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	p := pool(t, charts.Options{})
	if _, err := p.Index(t.Context(), charts.Request{URL: s.URL}); fault.ClassOf(err) != fault.Trust {
		t.Errorf("unknown authority: got %v", err)
	}
	for _, c := range []struct {
		auth, cert map[string][]byte
		note       bool
	}{
		{nil, map[string][]byte{"ca.crt": ca}, false},
		{map[string][]byte{"caFile": ca}, nil, true},
		{map[string][]byte{"ca.crt": []byte("not read")}, map[string][]byte{"ca.crt": ca}, false},
	} {
		cred, note, err := charts.FromSecrets(c.auth, c.cert)
		if err != nil || note != "" != c.note {
			t.Fatalf("got %q, %v", note, err)
		}
		if _, err := p.Index(t.Context(), charts.Request{URL: s.URL, Credential: cred}); err != nil {
			t.Error(err)
		}
		if _, err := p.Index(t.Context(), charts.Request{URL: s.URL + "/down", Credential: cred}); err == nil || !strings.Contains(err.Error(), "from https to http is refused") {
			t.Errorf("downgrade: got %v", err)
		}
	}
}

// What is half there in the Secret of secretRef counts as nothing, as in Flux: a certificate
// without its key, a user without a password.
func TestHalfSecrets(t *testing.T) {
	for name, data := range map[string]map[string][]byte{
		"certificate": {"username": []byte("me"), "password": []byte("x"), "tls.crt": []byte("canary"), "ca.crt": []byte("canary")},
		"key":         {"username": []byte("me"), "password": []byte("x"), "keyFile": []byte("canary")},
	} {
		got, note, err := charts.FromSecrets(data, nil)
		if err != nil || got.Username != "me" || got.CA+got.ClientCert+got.ClientKey.Reveal() != "" || !strings.Contains(note, "not used") || strings.Contains(note, "canary") {
			t.Errorf("%s: got %+v, %q, %v", name, got, note, err)
		}
	}
	for _, data := range []map[string][]byte{{"username": []byte("me"), "password": nil}, {"username": nil, "password": []byte("x")}} {
		if got, _, err := charts.FromSecrets(data, nil); err != nil || got.Username != "" || !got.Password.IsZero() {
			t.Errorf("%v: got %+v, %v", data, got, err)
		}
	}
}

func TestBadSecrets(t *testing.T) {
	for want, data := range map[string][2]map[string][]byte{
		`has "username" without "password"`:     {{"username": []byte("a")}, nil},
		`has "password" without "username"`:     {{"password": []byte("a")}, nil},
		`none of the keys`:                      {nil, {"x": nil}},
		`"ca.crt" holds no certificate in PEM`:  {nil, {"ca.crt": []byte("x")}},
		`"tls.crt" and "tls.key" must be given`: {nil, {"tls.crt": []byte("x")}},
		`that is no private key in use`:         {nil, {"tls.crt": []byte("x"), "tls.key": make([]byte, secret.MaxKey+1)}},
		`"tls.crt" and "tls.key" are no pair`:   {{"certFile": []byte("x"), "keyFile": []byte("y")}, nil},
	} {
		_, _, err := charts.FromSecrets(data[0], data[1])
		if fault.ClassOf(err) != fault.Auth || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestBadAnswers(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimSuffix(strings.Trim(r.URL.Path, "/"), "/index.yaml") {
		case "short":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("apiVersion"))
		case "long":
			w.Header().Set("Content-Length", "2000")
			_, _ = w.Write(make([]byte, 2000))
		case "endless":
			for range 100 {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		case "bomb":
			w.Header().Set("Content-Encoding", "gzip")
			zw := gzip.NewWriter(w)
			_, _ = zw.Write(make([]byte, 1<<20))
			_ = zw.Close()
		case "busy":
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		case "later":
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			w.Header().Set("Date", now.Format(http.TimeFormat))
			w.Header().Set("Retry-After", now.Add(time.Hour).Format(http.TimeFormat))
			w.WriteHeader(http.StatusServiceUnavailable)
		case "error":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("canary"))
		case "forbidden":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	p := pool(t, charts.Options{MaxIndex: 1000})
	for name, c := range map[string]struct {
		class fault.Class
		text  string
		after time.Duration
	}{
		"short":     {fault.Unreachable, "broke off after 10 bytes", 0},
		"long":      {fault.TooLarge, "more than the limit of 1000 bytes; raise --helm-index-max-size", 0},
		"endless":   {fault.TooLarge, "more than the limit", 0},
		"bomb":      {fault.TooLarge, "more than the limit", 0},
		"busy":      {fault.Busy, "429 Too Many Requests", 2 * time.Minute},
		"later":     {fault.Busy, "503", 15 * time.Minute},
		"error":     {fault.Unreachable, "the server answered 500", 0},
		"forbidden": {fault.Auth, "403", 0},
		"absent":    {fault.NotFound, "404 Not Found", 0},
	} {
		_, err := p.Index(t.Context(), charts.Request{URL: s.URL + "/" + name})
		if fault.ClassOf(err) != c.class || fault.After(err) != c.after || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: got %q %s %v", name, fault.ClassOf(err), fault.After(err), err)
		}
	}
	for _, address := range []string{"oci://x/y", "ftp://x/", "http://", "http://a b"} {
		if _, err := p.Index(t.Context(), charts.Request{URL: address}); fault.ClassOf(err) != fault.Invalid {
			t.Errorf("%s: got %v", address, err)
		}
	}
}
