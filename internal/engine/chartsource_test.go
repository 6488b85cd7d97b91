package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/source/oci"
	"github.com/leat-dev/leat/internal/unit"
)

// onDisk reads charts of a folder, and counts what it is asked.
type onDisk struct {
	*oci.Folder
	resolved, pulled *int
}

func (d onDisk) Local(string) bool { return true }

func (d onDisk) Open(OCIRequest) (oci.Reader, error) { return d, nil }

func (d onDisk) Resolve(ctx context.Context, want oci.Ref, since time.Time) (oci.Revision, error) {
	*d.resolved++
	return d.Folder.Resolve(ctx, want, since)
}

func (d onDisk) Blob(ctx context.Context, l oci.Layer) ([]byte, error) {
	*d.pulled++
	return d.Folder.Blob(ctx, l)
}

// A chart that is kept is not pulled again, and an exact version is not asked for.
func TestKeptChartsAreNotPulled(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"1.0.0", "1.1.0+b"} {
		if err := os.WriteFile(filepath.Join(dir, "web-"+version+".tgz"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		ask, kept, want string
	}{
		{"1.0.0", "", "web 1.0.0 1.0.0, resolved 1, pulled 1"},
		{"1.0.0", "1.0.0", "web 1.0.0 , resolved 0, pulled 0"},
		{"1.1.0+b", "1.1.0+b", "web 1.1.0+b , resolved 0, pulled 0"},
		{"1.x", "1.0.0", "web 1.1.0+b 1.1.0+b, resolved 2, pulled 1"},
		{"1.x", "1.1.0+b", "web 1.1.0+b , resolved 1, pulled 0"},
	} {
		var resolved, pulled int
		reader := repositoryReader{Engine: &Engine{OCI: onDisk{&oci.Folder{Dir: dir, Name: "web"}, &resolved, &pulled}}, r: &unit.HelmRepository{}}
		reader.r.Spec.URL = "oci://registry.example.org/charts"
		got, err := reader.fetch(t.Context(), chartQuestion{"web", c.ask, func(f fetched) bool { return f.version != c.kept }})
		if err != nil {
			t.Errorf("%s with %s: %v", c.ask, c.kept, err)
		}
		if text := fmt.Sprintf("%s %s %s, resolved %d, pulled %d", got.name, got.version, got.data, resolved, pulled); text != c.want {
			t.Errorf("%s with %s: got %s, want %s", c.ask, c.kept, text, c.want)
		}
	}
}
