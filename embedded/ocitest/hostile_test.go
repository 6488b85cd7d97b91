package ocitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/leat-dev/leat/embedded/registrytest"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/oci"
)

// small are limits that tests reach quickly.
var small = oci.Limits{Answer: 64 << 10, Tags: 500, Blob: 1 << 20, Tree: 4 << 20}

// Case 20: what a registry may answer that is too much, endless or a lie.
func TestHostileRegistry(t *testing.T) {
	for name, c := range map[string]struct {
		class  fault.Class
		text   string
		answer func(w http.ResponseWriter, r *http.Request) bool
	}{
		"huge manifest": {fault.TooLarge, "limit of 65536", manifests(func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<20))
		})},
		"endless manifest": {fault.TooLarge, "limit of 65536", manifests(func(w http.ResponseWriter) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		})},
		"another manifest": {fault.Unreachable, "does not match requested digest", manifests(func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"schemaVersion":2,"layers":[]}`)
		})},
		"another layer": {fault.Unsafe, "not what its digest says", blobs(func(w http.ResponseWriter, size int64) {
			_, _ = w.Write(make([]byte, size))
		})},
		"another archive":       {fault.Unsafe, "not what its digest says", blobs(func(w http.ResponseWriter, _ int64) { _, _ = w.Write(files("2").Layers[0].Content) })},
		"the archive, and more": {fault.Unsafe, "layer", blobs(func(w http.ResponseWriter, _ int64) { _, _ = w.Write(append(files("1").Layers[0].Content, 0)) })},
		"shorter layer":         {fault.Unsafe, "layer", blobs(func(w http.ResponseWriter, size int64) { _, _ = w.Write(make([]byte, size-1)) })},
		"endless layer": {fault.Unsafe, "another size", blobs(func(w http.ResponseWriter, _ int64) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
				w.(http.Flusher).Flush()
			}
		})},
		"redirects without end": {fault.Unsafe, "redirects without end", func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}},
		"asks to wait": {fault.Busy, "asked to wait 17s", func(w http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.URL.Path, "/manifests/") {
				w.Header().Set("Retry-After", "17")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			return false
		}},
		"down": {fault.Unreachable, "503", func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, strings.Repeat("long ", 5000), http.StatusServiceUnavailable)
			return true
		}},
		"signed redirect to nobody": {fault.Unreachable, "connection refused", func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			http.Redirect(w, r, "http://127.0.0.1:1/?signature=canary", http.StatusFound)
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Start(t, registrytest.Options{})
			digest := reg.Push("acme/app", "1.0.0", files("1"))
			reg.Answer(c.answer)
			pool := oci.NewPool(oci.Options{Limits: small})
			_, _, err := pull(t, openIn(t, pool, reg.URL("acme/app"), oci.Access{}), oci.Ref{Digest: digest})
			if fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "canary") || len(err.Error()) > 1000 {
				t.Errorf("got %q: %v", fault.ClassOf(err), err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func manifests(answer func(http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		ours := strings.Contains(r.URL.Path, "/manifests/")
		if ours {
			answer(w)
		}
		return ours
	}
}

func blobs(answer func(w http.ResponseWriter, size int64)) func(http.ResponseWriter, *http.Request) bool {
	size := int64(len(files("1").Layers[0].Content))
	return func(w http.ResponseWriter, r *http.Request) bool {
		ours := strings.Contains(r.URL.Path, "/blobs/")
		if ours {
			answer(w, size)
		}
		return ours
	}
}

// A large layer is copied as it comes, and what was written counts for nothing when its
// digest is another one at the end.
func TestCopyOfALargeLayer(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 17<<16)
	reg := registrytest.Start(t, registrytest.Options{})
	digest := reg.Push("acme/app", "1", registrytest.Artifact{Config: registrytest.FluxConfig, Layers: []registrytest.Layer{{MediaType: "application/x", Content: content}}})
	r := open(t, reg.URL("acme/app"), oci.Access{})
	man, err := r.Manifest(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := r.Copy(t.Context(), man.Layers[0], &got); err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("got %d bytes, %v", got.Len(), err)
	}
	if err := r.Copy(t.Context(), man.Layers[0], full{}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a full disk: got %v", err)
	}
	reg.Answer(blobs(func(w http.ResponseWriter, _ int64) { _, _ = w.Write(content[1:]); _, _ = w.Write([]byte("x")) }))
	if err := r.Copy(t.Context(), man.Layers[0], &got); fault.ClassOf(err) != fault.Unsafe || !strings.Contains(err.Error(), "not what its digest says") {
		t.Errorf("another layer: got %v", err)
	}
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A registry that asks to wait is not asked again before, by nobody.
func TestRateLimit(t *testing.T) {
	now := time.Now()
	reg := registrytest.Start(t, registrytest.Options{})
	reg.Push("acme/app", "1.0.0", files("1"))
	pool := oci.NewPool(oci.Options{Now: func() time.Time { return now }})
	r := openIn(t, pool, reg.URL("acme/app"), oci.Access{})
	reg.Answer(manifests(func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, err := r.Resolve(t.Context(), oci.Ref{Tag: "1.0.0"}, now)
	if fault.ClassOf(err) != fault.Busy || fault.After(err) != 30*time.Second {
		t.Fatalf("got %q after %s: %v", fault.ClassOf(err), fault.After(err), err)
	}
	reg.Answer(nil)
	reg.Asked()
	now = now.Add(29 * time.Second)
	if _, err := openIn(t, pool, reg.URL("acme/other"), oci.Access{}).Tags(t.Context(), now); fault.After(err) != time.Second {
		t.Errorf("got %v", err)
	}
	if asked := reg.Asked(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
	now = now.Add(time.Second)
	if _, err := r.Resolve(t.Context(), oci.Ref{Tag: "1.0.0"}, now); err != nil {
		t.Error(err)
	}
}

// Endless pages of tags, pages in a circle, pages of another host.
func TestHostileTags(t *testing.T) {
	page := 0
	for name, c := range map[string]struct {
		class fault.Class
		next  func(r *http.Request) (tags, link string)
	}{
		"endless": {fault.TooLarge, func(*http.Request) (string, string) {
			page++
			return strings.Repeat(fmt.Sprintf(`"%d.0.0",`, page), 20) + `"x"`, fmt.Sprintf("/v2/acme/app/tags/list?last=%d", page)
		}},
		"circle": {fault.Unsafe, func(*http.Request) (string, string) { return `"1.0.0"`, "/v2/acme/app/tags/list?last=1" }},
		"empty": {fault.Unsafe, func(*http.Request) (string, string) {
			page++
			return "", fmt.Sprintf("/v2/acme/app/tags/list?last=%d", page)
		}},
		"away": {fault.Unreachable, func(*http.Request) (string, string) { return `"1.0.0"`, "http://evil.example/v2/acme/app/tags/list" }},
		"huge": {fault.TooLarge, func(*http.Request) (string, string) { return `"` + strings.Repeat("x", 100<<10) + `"`, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Start(t, registrytest.Options{})
			reg.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/tags/list") {
					return false
				}
				tags, link := c.next(r)
				if link != "" {
					w.Header().Set("Link", "<"+link+`>; rel="next"`)
				}
				_, _ = fmt.Fprintf(w, `{"name":"acme/app","tags":[%s]}`, tags)
				return true
			})
			r := openIn(t, oci.NewPool(oci.Options{Limits: small}), reg.URL("acme/app"), oci.Access{})
			if _, err := r.Tags(t.Context(), time.Now()); fault.ClassOf(err) != c.class {
				t.Errorf("got %q: %v", fault.ClassOf(err), err)
			}
		})
	}
}

// Cases 3 and 4: what an archive in a layer may try.
func TestHostileLayers(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		class   fault.Class
		text    string
	}{
		"bomb":         {bomb(t, 64<<20), fault.Unsafe, "more than 4194304 bytes"},
		"upwards":      {archive(t, &tar.Header{Name: "../x", Typeflag: tar.TypeReg}), fault.Unsafe, "../x"},
		"absolute":     {archive(t, &tar.Header{Name: "/etc/x", Typeflag: tar.TypeReg}), fault.Unsafe, "absolute"},
		"device":       {archive(t, &tar.Header{Name: "x", Typeflag: tar.TypeBlock}), fault.Unsafe, "x"},
		"hard link":    {archive(t, &tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), fault.Unsafe, "x"},
		"link":         {archive(t, &tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), "", ""},
		"link, then x": {archive(t, &tar.Header{Name: "x", Linkname: "/etc", Typeflag: tar.TypeSymlink}, &tar.Header{Name: "x/y", Typeflag: tar.TypeReg}), "", ""},
		"too many":     {archive(t, headers(1000)...), "", ""},
		"no archive":   {[]byte("x"), fault.Unsafe, "failed to extract"},
		"too large":    {bytes.Repeat([]byte{1}, 2<<20), fault.TooLarge, "limit of 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Start(t, registrytest.Options{})
			reg.Push("acme/app", "1.0.0", registrytest.Artifact{
				Config: registrytest.FluxConfig, Layers: []registrytest.Layer{{MediaType: registrytest.FluxContent, Content: c.content}},
			})
			r := openIn(t, oci.NewPool(oci.Options{Limits: small}), reg.URL("acme/app"), oci.Access{})
			_, tr, err := pull(t, r, oci.Ref{Tag: "1.0.0"})
			if fault.ClassOf(err) != c.class || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %q: %v, %d files", fault.ClassOf(err), err, tr.Files())
			}
		})
	}
}

func headers(n int) []*tar.Header {
	var out []*tar.Header
	for i := range n {
		out = append(out, &tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg})
	}
	return out
}

func archive(t *testing.T, headers ...*tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, h := range headers {
		h.Mode = 0o644
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func bomb(t *testing.T, size int64) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Name: "x", Typeflag: tar.TypeReg, Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(tw, io.LimitReader(zeros{}, size)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
