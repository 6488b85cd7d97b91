package helm

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	ri "helm.sh/helm/v4/pkg/release"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// recordOf packs a text as a record of Helm's.
func recordOf(t *testing.T, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	for _, part := range parts {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(out.Bytes()))
}

func manifestOf(bytes int) string {
	return `{"name":"a","version":1,"manifest":"` + strings.Repeat("x", bytes) + `"}`
}

// Whoever may write Secrets in one namespace can write records that unpack to a
// thousand times their size, in bytes or in what Go makes of them.
func TestRecordsThatUnpackToMuch(t *testing.T) {
	for name, text := range map[string]string{
		"text":    manifestOf(maxUnpacked),
		"values":  `{"name":"a","config":{"k":[` + strings.Repeat("[],", maxParts) + `0]}}`,
		"objects": `{"name":"a","hooks":[` + strings.Repeat("{},", maxParts) + `{}]}`,
	} {
		data := recordOf(t, text)
		if len(data) > maxRecord {
			t.Fatalf("%s: %d bytes do not fit into a Secret", name, len(data))
		}
		if rel, err := (&unpacking{crowd: large}).release(data); !errors.Is(err, errUnpacked) {
			t.Errorf("%s: got %v, %v; want %v", name, rel, err, errUnpacked)
		}
	}
}

// Records that Helm never writes are none, and no panic.
func TestRecordsThatAreHalf(t *testing.T) {
	for _, text := range []string{`{"hooks":[null]}`, `{"chart":{"templates":[null]}}`, `{"chart":{"files":[null]}}`} {
		if rel, err := (&unpacking{crowd: large}).release(recordOf(t, text)); err == nil {
			t.Errorf("%s: got %v", text, rel)
		}
	}
	rel, err := (&unpacking{crowd: large}).release(recordOf(t, `{"name":"a"}`))
	if err != nil || rel.Chart == nil || rel.Chart.Metadata == nil {
		t.Errorf("got %+v, %v; want a chart without anything", rel, err)
	}
}

// A history is bounded as a whole; the newest versions are those that count.
func TestHistoriesAreBounded(t *testing.T) {
	const each = 100 << 10
	c := &crowd{free: 1 << 10, history: 4 * each, most: 100 * each}
	data := recordOf(t, manifestOf(each))
	set := fake.NewClientset()
	const n = 7
	for i := 1; i <= n; i++ {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("sh.helm.release.v1.a.v%d", i), Namespace: "b", Labels: map[string]string{
				"owner": "helm", "name": "a", "version": fmt.Sprint(i),
			}}, Data: map[string][]byte{"release": data},
		}
		if err := set.Tracker().Add(s); err != nil {
			t.Fatal(err)
		}
	}
	var passed []string
	storage := &secrets{large: c, api: set.CoreV1().Secrets("b"), unread: func(name string, err error) {
		if !errors.Is(err, errHistory) {
			t.Errorf("%s: %v", name, err)
		}
		passed = append(passed, name)
	}}
	found, err := storage.Query(map[string]string{"owner": "helm", "name": "a"})
	if err != nil {
		t.Fatal(err)
	}
	if len(found)+len(passed) != n || len(found) != 3 || passed[len(passed)-1] != "sh.helm.release.v1.a.v1" {
		t.Errorf("%d of %d are read, %q passed over", len(found), n, passed)
	}
	if got := found[0].(*relv1.Release).Labels["version"]; got != fmt.Sprint(n) {
		t.Errorf("the first is version %s, want the newest, %d", got, n)
	}
	runtime.KeepAlive(found)
}

// All large releases that are in use at a time are bounded, and those that are not
// any more make room. Small ones are read at any time.
func TestLargeReleasesShareABound(t *testing.T) {
	c := &crowd{free: 1 << 10, history: 1 << 20, most: 64 << 10}
	data, small := recordOf(t, manifestOf(10<<10)), recordOf(t, manifestOf(100))
	var held []ri.Releaser
	var err error
	for range 100 {
		var rel *relv1.Release
		if rel, err = (&unpacking{crowd: c}).release(data); err != nil {
			break
		}
		held = append(held, freeze(rel)) // as what works on it does
	}
	if !errors.Is(err, errCrowded) || len(held) != 6 {
		t.Fatalf("%d releases are held: %v", len(held), err)
	}
	if _, err := (&unpacking{crowd: c}).release(small); err != nil {
		t.Errorf("a small one: %v", err)
	}
	runtime.KeepAlive(held)
	held = nil
	for range 1000 {
		if _, err = (&unpacking{crowd: c}).release(data); err == nil {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("nothing made room: %v", err)
}
