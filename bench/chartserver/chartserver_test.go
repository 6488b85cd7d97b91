package chartserver

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
)

// TestServesWhatTheIndexSays: the archive is at the address and has the digest
// of the index, and Helm reads both.
func TestServesWhatTheIndexSays(t *testing.T) {
	s, err := Start(Chart{Name: "web", Version: "1.2.3", Files: map[string][]byte{
		"web/Chart.yaml":           []byte("apiVersion: v2\nname: web\nversion: 1.2.3\n"),
		"web/templates/empty.yaml": nil,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	index, err := chart.ReadIndex(get(t, s.URL()+"/index.yaml"), chart.IndexOptions{Max: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	v, err := index.Find("web", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	data := get(t, s.URL()+"/"+v.URLs[0])
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != v.Digest {
		t.Errorf("the archive has the digest %s, the index says %s", got, v.Digest)
	}
	c, err := chart.Load(data, chart.Limits{})
	if err != nil || c.Name() != "web" {
		t.Errorf("the archive holds %v, %v", c, err)
	}
	if indexes, charts := s.Served(); indexes != 1 || charts != 1 {
		t.Errorf("served %d indexes and %d charts, want one each", indexes, charts)
	}
}

func TestEqualFilesEqualBytes(t *testing.T) {
	c := Chart{Name: "web", Version: "1.2.3", Files: map[string][]byte{"web/b": []byte("1"), "web/a": []byte("2")}}
	var archives [2][]byte
	for i := range archives {
		s, err := Start(c)
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = s.archive
		_ = s.Close()
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two starts packed different bytes")
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, response.Status, err)
	}
	return data
}
