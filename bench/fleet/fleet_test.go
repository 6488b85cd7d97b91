package fleet

import (
	"encoding/json"
	"strings"
	"testing"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
)

func TestSameOptionsSameCommits(t *testing.T) {
	var revisions [2][2]string
	for run := range revisions {
		f := New(Options{Apps: 12})
		r, err := CreateRepository(t.TempDir(), f)
		if err != nil {
			t.Fatal(err)
		}
		revisions[run][0] = r.Revision()
		if revisions[run][1], err = r.Commit(f.SetMessage(3, "2")); err != nil {
			t.Fatal(err)
		}
	}
	if revisions[0] != revisions[1] {
		t.Errorf("two runs gave %v and %v", revisions[0], revisions[1])
	}
	if revisions[0][0] == revisions[0][1] {
		t.Error("the commit did not change the revision")
	}
}

func TestRepositoryIsReadByGit(t *testing.T) {
	f := New(Options{Apps: 12})
	dir := t.TempDir()
	r, err := CreateRepository(dir, f)
	if err != nil {
		t.Fatal(err)
	}
	first := r.head
	if _, err := r.Commit(f.SetMessage(3, "2")); err != nil {
		t.Fatal(err)
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := repo.Head()
	if err != nil || ref.Name() != plumbing.NewBranchReferenceName(Branch) {
		t.Fatalf("HEAD is %v, %v", ref, err)
	}
	head, err := repo.CommitObject(ref.Hash())
	if err != nil {
		t.Fatal(err)
	}
	old, err := repo.CommitObject(first)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := old.Patch(head)
	if err != nil {
		t.Fatal(err)
	}
	stats := patch.Stats()
	if len(stats) != 1 || stats[0].Addition != 1 || stats[0].Deletion != 1 {
		t.Errorf("the commit changes %v, want one line of one file", stats)
	}
	file, err := head.File("apps/app-0003/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := file.Contents(); !strings.Contains(text, `value: "2"`) {
		t.Errorf("the file is %s", text)
	}
}

func TestManifestsAreTheObjectsOfTheHead(t *testing.T) {
	f := New(Options{Apps: 2})
	r, err := CreateRepository(t.TempDir(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Commit(f.SetMessage(1, "other")); err != nil {
		t.Fatal(err)
	}
	all, err := r.Manifests(1)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, o := range all {
		kinds = append(kinds, o["kind"].(string))
	}
	if got := strings.Join(kinds, " "); got != "Deployment Ingress Service ServiceAccount" {
		t.Errorf("kinds are %s", got)
	}
	b, _ := json.Marshal(all)
	if strings.Contains(string(b), "APP") || strings.Contains(string(b), "SPACE") || strings.Contains(string(b), "MESSAGE_VALUE") {
		t.Errorf("a placeholder is left in %s", b)
	}
	if !strings.Contains(string(b), `"value":"other"`) {
		t.Errorf("the message is not in %s", b)
	}
}

func TestShapes(t *testing.T) {
	for _, c := range []struct {
		shape                 Shape
		objects, sources      int
		dependsOn, lastSource string
	}{
		{OneSource, 4, 1, "", Source},
		{SourceEach, 6, 3, "", "app-0002"},
		{RegistryEach, 6, 3, "", "app-0002"},
		{Chain, 4, 1, "app-0001", Source},
	} {
		f := New(Options{Apps: 3, Shape: c.shape})
		all := f.Objects("http://127.0.0.1/fleet.git")
		if len(all) != c.objects || len(f.Sources()) != c.sources {
			t.Errorf("%s: %d objects, %d sources; want %d, %d", c.shape, len(all), len(f.Sources()), c.objects, c.sources)
		}
		spec := all[len(all)-1]["spec"].(Object)
		if got := spec["sourceRef"].(Object)["name"]; got != c.lastSource {
			t.Errorf("%s: sourceRef is %v, want %s", c.shape, got, c.lastSource)
		}
		got := ""
		if list, ok := spec["dependsOn"].([]any); ok {
			got = list[0].(Object)["name"].(string)
		}
		if got != c.dependsOn {
			t.Errorf("%s: dependsOn is %q, want %q", c.shape, got, c.dependsOn)
		}
	}
}
