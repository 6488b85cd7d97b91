package provenance

import (
	"context"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/tree"
)

// read splits a case into its tables and its tree.
func read(t *testing.T, name string) (map[string][]string, tree.Tree) {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	tables, files := map[string][]string{}, map[string]string{}
	for _, f := range archive.Files {
		if !strings.Contains(f.Name, "/") {
			tables[f.Name] = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
			continue
		}
		files[f.Name] = string(f.Data)
	}
	tr, err := tree.FromFiles(files)
	if err != nil {
		t.Fatal(err)
	}
	return tables, tr
}

// find returns the key of an object that a unit made, by Kind/namespace/name.
func (s *stand) find(t *testing.T, unit, name string) (object.Key, object.Key) {
	t.Helper()
	u := s.rendered.Unit(kustomization("flux-system", unit))
	if u == nil {
		t.Fatalf("no unit %s", unit)
	}
	for _, o := range u.Objects {
		if o.Ref.Key.String() == name {
			return u.Key, o.Ref.Key
		}
	}
	t.Fatalf("%s has no %s", unit, name)
	return object.Key{}, object.Key{}
}

func kinds(o *fleet.Origin) string {
	var out []string
	for _, l := range o.Chain {
		out = append(out, l.Kind)
	}
	return strings.Join(out, " ")
}

func TestMechanisms(t *testing.T) {
	tables, tr := read(t, "testdata/mechanisms.txtar")
	s := render(t, tr, "cluster")
	f := s.fleet()
	for _, row := range tables["want"] {
		left, want, _ := strings.Cut(row, " = ")
		fields := strings.Fields(left)
		t.Run(strings.Join(fields[1:], " "), func(t *testing.T) {
			unit, key := s.find(t, fields[0], fields[1])
			o, err := Field(context.Background(), f, Target{unit, key, fields[2]})
			if err != nil {
				t.Fatal(err)
			}
			if o == nil {
				t.Fatal("not found")
			}
			got := strings.TrimSpace(lineAt(t, tr, o.File, o.Line)) + " | " + kinds(o)
			if got != want {
				t.Errorf("%s\n got %s\nwant %s\n%v", o.At(), got, want, o.Chain)
			}
		})
	}
	finder := newFinder(f, nil, &work{builds: maxBuilds})
	for _, row := range tables["objects"] {
		left, want, _ := strings.Cut(row, " = ")
		fields := strings.Fields(left)
		unit, key := s.find(t, fields[0], fields[1])
		if got := finder.manifest(context.Background(), unit, key); got.At() != want {
			t.Errorf("%s: got %s, want %s", key, got.At(), want)
		}
	}
}
