package accesstest

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/carry"
	"github.com/leat-dev/leat/internal/forge/gitea/giteatest"
	"github.com/leat-dev/leat/internal/repo/repotest"
	"github.com/leat-dev/leat/internal/secret"
)

// fleet is what is delivered to namespace kept.
var fleet = map[string]string{
	"prod/kustomization.yaml": "resources: [web.yaml]\nimages:\n  - name: registry.example/web\n    newTag: \"1.0\" # released\n",
	"prod/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: kept}
spec:
  replicas: 1 # enough
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: kept}
data: {mode: slow}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: kept}
stringData: {key: correct-horse}
`,
}

// origin is the repository of the fleet: at a real Gitea, or behind git's own server.
type origin struct {
	*stand
	url   string
	gitea *giteatest.Server // nil where there is none
	token secret.Value
	clone string
}

// fleetAt makes the repository, and a clone of it as Pat has one.
func (s *stand) fleetAt(gitea string) *origin {
	s.Helper()
	o := &origin{stand: s, clone: filepath.Join(s.TempDir(), "clone")}
	s.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		s.Setenv("GIT_"+who+"_NAME", "Pat")
		s.Setenv("GIT_"+who+"_EMAIL", "pat@example.com")
	}
	leatYAML := "apiVersion: leat.dev/v1alpha1\nkind: Flow\nenvironments: [{name: kept, branch: main, directory: prod}]\n"
	if gitea != "" {
		s.Setenv("GITEA_REAL", gitea)
		o.gitea = giteatest.Start(s.T)
		o.token = o.gitea.Token(giteatest.Admin)
		s.must(o.gitea.API(o.token, "POST", "/user/repos", map[string]any{"name": "fleet", "default_branch": "main"}, nil))
		o.url = o.gitea.URL + "/" + giteatest.Admin + "/fleet"
		s.Setenv("LEAT_FORGE_TOKEN", o.token.Reveal())
		s.must(os.WriteFile(filepath.Join(s.home, ".gitconfig"), []byte("[credential]\n\thelper = store\n"), 0o600))
		s.must(os.WriteFile(filepath.Join(s.home, ".git-credentials"),
			[]byte(strings.Replace(o.gitea.URL, "://", "://"+giteatest.Admin+":"+giteatest.Password+"@", 1)+"\n"), 0o600))
		leatYAML += "forge: {kind: gitea, url: \"" + o.url + "\"}\n"
	} else {
		bare := s.TempDir()
		o.git(bare, "init", "-q", "--bare", "-b", "main", "fleet")
		o.git(filepath.Join(bare, "fleet"), "config", "http.receivepack", "true")
		srv := httptest.NewServer(repotest.Handler(s.T, bare))
		s.Cleanup(srv.Close)
		o.url = srv.URL + "/fleet"
	}
	o.git(s.home, "init", "-q", "-b", "main", o.clone)
	o.git(o.clone, "remote", "add", "origin", o.url)
	s.must(os.MkdirAll(filepath.Join(o.clone, "prod"), 0o755))
	s.must(os.WriteFile(filepath.Join(o.clone, "leat.yaml"), []byte(leatYAML), 0o600))
	for name, text := range fleet {
		s.must(os.WriteFile(filepath.Join(o.clone, name), []byte(text), 0o600))
	}
	o.git(o.clone, "add", "-A")
	o.git(o.clone, "commit", "-q", "-m", "the fleet")
	o.git(o.clone, "push", "-q", "origin", "main")
	return o
}

func (o *origin) git(dir string, args ...string) string {
	o.Helper()
	cmd := exec.CommandContext(o.Context(), "git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// pulls are the open pull requests: their texts; nil where there is no forge.
func (o *origin) pulls() []string {
	o.Helper()
	if o.gitea == nil {
		return nil
	}
	var all []struct{ Body string }
	o.must(o.gitea.API(o.token, "GET", "/repos/"+giteatest.Admin+"/fleet/pulls", nil, &all))
	var out []string
	for _, p := range all {
		out = append(out, p.Body)
	}
	return out
}

// What a holder changed by hand, the unit being suspended, is proposed when the grant is
// over: a pull request with exactly the lines that differ. It stays live until then, and a
// second run makes nothing new. Who may propose may do nothing else.
func TestProposeWhatWasWritten(t *testing.T) {
	gitea := giteatest.Program() // looked for in the home of who runs the test
	s := newStand(t)
	o := s.fleetAt(gitea)
	s.namespace("kept")
	s.policy("kept", strings.Replace(edit("kept"), "maximum: 1h", "maximum: 1h, accept: [secrets]", 1)+"  atEnd: propose\n")
	s.create("apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: fleet, namespace: kept}\nspec: {interval: 24h, url: \"" + o.url + "\", ref: {branch: main}}")
	s.create("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: kept}\nspec: {interval: 24h, prune: true, path: ./prod, sourceRef: {kind: GitRepository, name: fleet}}")
	s.start("source-controller")
	kubetest.AwaitObject(t, s.dyn.Resource(units).Namespace("kept"), "apps", func(u *unstructured.Unstructured) bool {
		revision, _, _ := unstructured.NestedString(u.Object, "status", "lastAppliedRevision")
		return revision != ""
	})

	held := s.granted("alice", "--env=kept", "--role=edit", "-n=kept", "--reason=the shop is down | <!channel>")
	elevated := s.with(s.token(held))
	writes := func(w writing, patch string, sub ...string) {
		t.Helper()
		_, err := elevated.Resource(w.of).Namespace("kept").Patch(t.Context(), w.name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: w.manager}, sub...)
		s.must(err)
	}
	_, err := elevated.Resource(units).Namespace("kept").Patch(t.Context(), "apps", types.MergePatchType, []byte(`{"spec":{"suspend":true}}`), metav1.PatchOptions{FieldManager: "flux"})
	s.must(err)
	writes(writing{deployments, "web", "kubectl"}, `{"spec":{"replicas":3}}`, "scale")
	writes(writing{deployments, "web", "kubectl-set"}, `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"registry.example/web:1.1"}]}}}}`)
	writes(writing{configMaps, "settings", "kubectl-patch"}, `{"data":{"note":"x","leak":"it is battery-staple"}}`)
	writes(writing{secrets, "keys", "kubectl-patch"}, `{"stringData":{"key":"battery-staple"}}`)
	s.cannot("has not ended", "pat", "access", "propose", held.Name, "-C="+o.clone)
	s.does("alice", "access", "end", held.Name)
	over := s.reaches(held.Name, access.Ended)
	s.stop() // it has nothing more to do with it
	if text := s.does("carol", "access", "show", held.Name, "-o=json"); strings.Contains(text, "horse") || strings.Contains(text, "battery") || strings.Contains(text, "YmF0dGVyeS1zdGFwbGU") {
		t.Errorf("a secret is told:\n%s", text)
	}
	if !over.Status.End.Propose || len(over.Status.End.Reverted) > 0 || len(over.Status.End.Unread) > 0 {
		t.Errorf("the end: got %+v", over.Status.End)
	}
	unit, err := s.dyn.Resource(units).Namespace("kept").Get(t.Context(), "apps", metav1.GetOptions{})
	s.must(err)
	if suspended, _, _ := unstructured.NestedBool(unit.Object, "spec", "suspend"); !suspended {
		t.Error("the unit was resumed, and undoes the fix")
	}

	if out := s.does("pat", "access", "propose", "--dry-run", "-C="+o.clone); !strings.Contains(out, "Nothing was pushed") || o.git(o.clone, "ls-remote", "origin", "access/*") != "" {
		t.Errorf("a dry run:\n%s", out)
	}
	out := s.does("pat", "access", "propose", "-C="+o.clone)
	o.git(o.clone, "fetch", "-q", "origin")
	branch := "origin/" + carry.AccessBranch + held.Name
	lines := slices.DeleteFunc(strings.Split(o.git(o.clone, "diff", "-U0", "origin/main", branch), "\n"), func(l string) bool {
		return !strings.HasPrefix(l, "+ ") && !strings.HasPrefix(l, "- ")
	})
	want := []string{`-    newTag: "1.0" # released`, `+    newTag: "1.1" # released`, "-  replicas: 1 # enough", "+  replicas: 3 # enough"}
	if !slices.Equal(lines, want) {
		t.Errorf("the branch:\n%s\n%s", strings.Join(lines, "\n"), out)
	}
	if pulls := o.pulls(); o.gitea != nil {
		if len(pulls) != 1 {
			t.Fatalf("%d pull requests:\n%s", len(pulls), out)
		}
		for _, says := range []string{"`alice`", "`carol`", "\\u007c", "`prod/web.yaml:5`", "`Secret/kept/keys`", "it is a secret", "`/data/note`", "Git does not set it", "Kustomization/kept/apps"} {
			if !strings.Contains(pulls[0], says) {
				t.Errorf("the pull request does not say %q:\n%s", says, pulls[0])
			}
		}
		if strings.Contains(pulls[0], "horse") || strings.Contains(pulls[0], "staple") {
			t.Errorf("the pull request tells a secret:\n%s", pulls[0])
		}
	} else {
		t.Log("there is no Gitea beside the checkout: the pull request was NOT looked at")
	}
	head := o.git(o.clone, "rev-parse", branch)
	if out := s.does("pat", "access", "propose", "-C="+o.clone); !strings.Contains(out, "There is nothing to propose.") {
		t.Errorf("again:\n%s", out)
	}
	s.does("pat", "access", "propose", held.Name, "-C="+o.clone)
	o.git(o.clone, "fetch", "-q", "origin")
	if o.git(o.clone, "rev-parse", branch) != head || o.gitea != nil && len(o.pulls()) != 1 {
		t.Error("a second run makes another commit, or pull request")
	}
	if text := s.does("carol", "access", "show", held.Name); !strings.Contains(text, "proposed: ") {
		t.Errorf("leat access show:\n%s", text)
	}
	s.proposesOnly(held.Name)
}

var secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// writing is who writes what.
type writing struct {
	of            schema.GroupVersionResource
	name, manager string
}

// proposesOnly tells that who may propose may do nothing else to a request.
func (s *stand) proposesOnly(over string) {
	s.Helper()
	pat := s.as("pat", append(slices.Clone(people["pat"]), "system:authenticated")...)
	waiting := s.asks("bob", "--env=kept", "--role=edit", "-n=kept", "--reason=x")
	patch := func(name, text string, sub ...string) error {
		_, err := pat.Resource(requests).Patch(s.Context(), name, types.MergePatchType, []byte(text), metav1.PatchOptions{}, sub...)
		return err
	}
	const only = "of a request nothing changes but the annotation leat.dev/proposed"
	refused(s.T, "a label", only, patch(over, `{"metadata":{"labels":{"a":"b"}}}`))
	refused(s.T, "another annotation", only, patch(over, `{"metadata":{"annotations":{"a":"b"}}}`))
	refused(s.T, "the finalizer", only, patch(over, `{"metadata":{"finalizers":null}}`))
	refused(s.T, "an owner", only, patch(over, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Namespace","name":"kept","uid":"x"}]}}`))
	refused(s.T, "a longer time", "a request does not change", patch(over, `{"spec":{"for":"24h"}}`))
	refused(s.T, "one that is not over", "when the grant is over", patch(waiting, `{"metadata":{"annotations":{"leat.dev/proposed":"x"}}}`))
	refused(s.T, "a long note", "at most 1024", patch(over, `{"metadata":{"annotations":{"leat.dev/proposed":"`+strings.Repeat("x", 1025)+`"}}}`))
	for what, err := range map[string]error{
		"a status":   patch(over, `{"status":{"phase":"Active"}}`, "status"),
		"a deletion": pat.Resource(requests).Delete(s.Context(), over, metav1.DeleteOptions{}),
		"a decision": func() error { _, err := s.make(pat, decide(access.Request{}, "pat", "Approve", "bob")); return err }(),
	} {
		if !apierrors.IsForbidden(err) {
			s.Errorf("%s: got %v, want forbidden", what, err)
		}
	}
	if err := patch(over, `{"metadata":{"annotations":{"leat.dev/proposed":"elsewhere"}}}`); err != nil {
		s.Errorf("the annotation: %v", err)
	}
	_, err := s.dyn.Resource(requests).Patch(s.Context(), over, types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil {
		s.Errorf("an administrator: %v", err)
	}
}
