package helm

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func packed(files ...*common.File) *relv1.Release {
	return &relv1.Release{
		Name: "a", Namespace: "b", Version: 3, Manifest: strings.Repeat("kind: ConfigMap <&>\n", 100), ApplyMethod: "ssa",
		Info: &relv1.Info{Status: "deployed", LastDeployed: time.Unix(1700000000, 5), Notes: "n\u2028"}, Config: map[string]any{"k": 1.5, "n": nil},
		Hooks: []*relv1.Hook{{Name: "h", Events: []relv1.HookEvent{"pre-install"}}},
		Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "c", Version: "1.0.0"}, Templates: files, Values: map[string]any{"v": "w"}},
	}
}

// Helm reads what was packed as if it had packed it itself.
func TestPackedReleaseIsHelms(t *testing.T) {
	var p packer
	for _, rel := range []*relv1.Release{
		packed(), packed(&common.File{Name: "templates/a.yaml", Data: []byte("{{ .Values.v }}")}),
		{Name: "a", Version: 1, Info: &relv1.Info{Status: "failed"}, Chart: &chart.Chart{}},
	} {
		for range 2 { // the second time the chart is known
			data, err := p.release(rel)
			if err != nil {
				t.Fatal(err)
			}
			want, err := json.Marshal(rel)
			if err != nil {
				t.Fatal(err)
			}
			zipped, err := base64.StdEncoding.DecodeString(string(data))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := gunzip(zipped); err != nil || !bytes.Equal(got, want) {
				t.Errorf("packed %s, %v\nwant %s", got, err, want)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "x", Namespace: "b"}, Data: map[string][]byte{"release": data}}
			got, err := driver.NewSecrets(fake.NewClientset(secret).CoreV1().Secrets("b")).Get("x")
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := json.Marshal(got); !bytes.Equal(again, want) {
				t.Errorf("Helm reads %s\nwant %s", again, want)
			}
		}
	}
}

func gunzip(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// No field of a release is left out of what is packed.
func TestAllFieldsArePacked(t *testing.T) {
	var got []string
	for _, part := range []reflect.Type{reflect.TypeFor[head](), reflect.TypeFor[tail]()} {
		for i := range part.NumField() {
			got = append(got, part.Field(i).Name+" "+string(part.Field(i).Tag))
		}
	}
	var want []string
	for i := range reflect.TypeFor[relv1.Release]().NumField() {
		f := reflect.TypeFor[relv1.Release]().Field(i)
		if name := f.Tag.Get("json"); name != "-" && f.Name != "Chart" {
			want = append(want, f.Name+" "+string(f.Tag))
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestReleaseBeyondASecret(t *testing.T) {
	noise := make([]byte, maxRecord)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	var p packer
	if _, err := p.release(packed(&common.File{Name: "noise", Data: noise})); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestPackedChartsAreBounded(t *testing.T) {
	var p packer
	noise := make([]byte, 200<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		if _, err := p.release(packed(&common.File{Name: "noise", Data: noise})); err != nil {
			t.Fatal(err)
		}
		if p.size > maxChartsPacked {
			t.Fatalf("%d bytes of charts are kept", p.size)
		}
	}
}

func FuzzUnpackRelease(f *testing.F) {
	var p packer
	data, err := p.release(packed())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = (&unpacking{crowd: large}).release(data) })
}

func BenchmarkPack(b *testing.B) {
	var p packer
	text := bytes.Repeat([]byte("{{- if .Values.ingress.enabled }}\nkind: Ingress\n{{ include \"podinfo.name\" . }}\n"), 400)
	rel := packed(&common.File{Name: "templates/a.yaml", Data: text})
	for b.Loop() {
		if _, err := p.release(rel); err != nil {
			b.Fatal(err)
		}
	}
}
