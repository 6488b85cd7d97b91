package artifact

import (
	"context"
	"errors"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
)

func TestPutFileAndRead(t *testing.T) {
	s, ctx := open(t, Options{}), context.Background()
	tr, err := s.Put(key, "r1", "app.tgz", sample(t))
	if err != nil {
		t.Fatal(err)
	}
	art, err := s.PutFile(key, "r2", "app.tgz", []byte("a chart"))
	if err != nil || art.Path != tr.Path || art.Size != 7 || art.Digest == tr.Digest || art.Revision != "r2" {
		t.Fatalf("got %+v, %v", art, err)
	}
	if got, err := s.Read(ctx, art, 100); err != nil || string(got) != "a chart" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := s.Link(key, "latest.tgz", art); err != nil {
		t.Error(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()

	// Another process reads what this one serves, by its name and by its alias.
	for _, name := range []string{"app.tgz", "latest.tgz"} {
		art.URL = srv.URL + "/" + path.Dir(art.Path) + "/" + name
		if got, err := open(t, Options{}).Read(ctx, art, 100); err != nil || string(got) != "a chart" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if _, err := s.Read(ctx, tr, 100); err == nil {
		t.Error("read what was replaced under its old digest")
	}
}

// What a file holds is checked on every way in which it comes.
func TestReadChecks(t *testing.T) {
	s, ctx := open(t, Options{Wait: noWait}), context.Background()
	art, err := s.PutFile(key, "r", "f", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	art.URL = srv.URL + "/" + art.Path
	art.Digest = "sha256:" + strings.Repeat("0", 64)
	if _, err := s.Read(ctx, art, 100); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	art.Digest = ""
	if _, err := s.Read(ctx, art, 100); err == nil {
		t.Error("read without a digest")
	}
}
