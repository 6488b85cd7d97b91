package e2e

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/entry"
	approval "github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
)

func keyOf(t *testing.T, person string) ssh.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(person))
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// approvers is the ConfigMap that lets alice, bob and carol approve, two of them.
func approvers(t *testing.T) string {
	var signers strings.Builder
	for _, person := range []string{"alice", "bob", "mallory"} {
		fmt.Fprintf(&signers, "      %s %s", person, ssh.MarshalAuthorizedKey(keyOf(t, person).PublicKey()))
	}
	return `
apiVersion: v1
kind: ConfigMap
metadata: {name: approvers, namespace: $ns}
data:
  approvers.yaml: |
    environment: production
    seal: word
    count: 2
    users: [alice, bob, carol]
    signers: |
` + signers.String()
}

var digestIn = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// approve puts what people sign into the cluster.
func (s *stand) approve(unit string, digest approval.Digest, people ...string) {
	s.Helper()
	text := "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: approvers-approvals, namespace: $ns}\ndata:\n"
	for _, person := range people {
		signed, err := approval.Sign(approval.Statement{Environment: "production", Units: map[string]approval.Digest{unit: digest}}, keyOf(s.T, person))
		s.must(err)
		text += "  " + person + ": |\n    " + strings.ReplaceAll(string(signed), "\n", "\n    ") + "\n"
	}
	s.apply(text)
}

// awaits returns the digest whose approval a unit waits for, once it says each text.
func (s *stand) awaits(name string, texts ...string) approval.Digest {
	s.Helper()
	var digest string
	s.await(name, func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		for _, c := range conditions {
			c, _ := c.(map[string]any)
			message, _ := c["message"].(string)
			if c["type"] != "Ready" || c["reason"] != "ApprovalRequired" {
				continue
			}
			digest = digestIn.FindString(message)
			for _, text := range texts {
				if !strings.Contains(message, text) {
					digest = ""
				}
			}
		}
		return digest != ""
	})
	return approval.Digest(digest)
}

func held(c *app.Config) {
	c.Options.Approvals.Rules = object.Key{Kind: "ConfigMap", Namespace: c.Scope.Namespace, Name: "approvers"}
}

// Under --require-approval nothing is applied that people did not sign: not at
// first, not when Git changes, and what Git has is not deleted either.
func TestUnapprovedChangesAreNotApplied(t *testing.T) {
	s := up(t, held)
	s.apply(approvers(t))
	s.commit(files{"app/a.yaml": configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.apply(source, kustomization("app", "path: ./app", "prune: true"))
	first := s.awaits("Kustomization/app", "waits for 2 more approval(s) of alice, bob, carol", "leat approve production")
	s.absent("ConfigMap/a")

	id := s.ns + "_app_kustomize.toolkit.fluxcd.io_Kustomization"
	s.approve(id, first, "alice", "mallory") // who has a key, and is not designated
	s.awaits("Kustomization/app", "waits for 1 more approval(s) of bob, carol", "approved by alice")
	s.absent("ConfigMap/a")
	s.approve(id, first, "alice", "bob")
	s.ready("app")
	s.data("ConfigMap/a", "1")

	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": ""})
	second := s.awaits("Kustomization/app", "waits for 2 more")
	if second == first {
		t.Error("another content has the same digest")
	}
	s.data("ConfigMap/a", "1")
	s.data("ConfigMap/b", "1")

	s.commit(files{"app/a.yaml": "# back, with words\n" + configMap("a", "1"), "app/b.yaml": configMap("b", "1")})
	s.ready("app") // it is what was approved, in another commit
	s.approve(id, second, "alice", "bob")
	s.commit(files{"app/a.yaml": configMap("a", "2"), "app/b.yaml": ""})
	s.gone("ConfigMap/b")
	s.data("ConfigMap/a", "2")
}

// A unit can ask for approval by itself; where nobody says whose, it waits.
func TestAnnotatedUnitWaitsForApproval(t *testing.T) {
	s := up(t)
	s.commit(files{"app/a.yaml": configMap("a", "1"), "other/b.yaml": configMap("b", "1")})
	text := strings.Replace(kustomization("app", "path: ./app"), "metadata: {", "metadata: {annotations: {leat.dev/require-approval: approvers}, ", 1)
	if !strings.Contains(text, "require-approval") {
		t.Fatalf("not annotated:\n%s", text)
	}
	s.apply(source, text, kustomization("other", "path: ./other"))
	s.ready("other")
	s.await("Kustomization/app", func(o *unstructured.Unstructured) bool {
		return strings.Contains(fmt.Sprint(o.Object["status"]), "ConfigMap/"+s.ns+"/approvers, which says whose approval is needed, does not exist")
	})
	s.absent("ConfigMap/a")
	s.apply(approvers(t))
	digest := s.awaits("Kustomization/app", "waits for 2 more")
	s.approve(s.ns+"_app_kustomize.toolkit.fluxcd.io_Kustomization", digest, "alice", "bob")
	s.ready("app")
}

// A release is held by its spec, its chart and its values.
func TestUnapprovedReleaseIsNotInstalled(t *testing.T) {
	s := up(t, held)
	s.commit(chartOf("0.1.0"))
	s.apply(source, helmRelease("web", fixed, "values: {color: blue}"))
	s.apply(approvers(t))
	id := s.ns + "_web_helm.toolkit.fluxcd.io_HelmRelease"
	first := s.awaits("HelmRelease/web", "waits for 2 more")
	s.absent("ConfigMap/a")
	s.approve(id, first, "alice", "bob")
	s.released("web", 1)
	s.patch("HelmRelease/web", `{"spec":{"values":{"color":"red"}}}`)
	second := s.awaits("HelmRelease/web", "waits for 2 more")
	s.data("ConfigMap/a", "blue")
	s.approve(id, second, "alice", "bob")
	s.release("web", func(h *v2.HelmRelease) bool { return len(h.Status.History) > 0 && h.Status.History[0].Version == 2 })
	s.data("ConfigMap/a", "red")

	// A release that moves is not uninstalled from where it is before people agree.
	s.patch("HelmRelease/web", `{"spec":{"releaseName":"elsewhere"}}`)
	third := s.awaits("HelmRelease/web", "waits for 2 more")
	s.data("ConfigMap/a", "red")
	s.approve(id, third, "alice", "bob")
	s.release("web", func(h *v2.HelmRelease) bool {
		return len(h.Status.History) > 0 && h.Status.History[0].Name == "elsewhere"
	})
}

// What people sign is found from the directory alone, and is what the engine asks for.
func TestApprovalsAreFoundWithoutACluster(t *testing.T) {
	s := up(t, held)
	s.apply(approvers(t))
	s.commit(files{
		"app/kustomization.yaml": "resources: [a.yaml, release.yaml]\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n",
		"app/a.yaml":             configMap("a", "1") + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: $ns}\nstringData: {pw: hunter2}\n",
		"app/release.yaml":       strings.ReplaceAll(helmRelease("web", fixed, "values: {color: blue}"), "$ns", s.ns),
	})
	s.commit(chartOf("0.1.0"))
	s.apply(source, kustomization("app", "path: ./app"))
	asked := s.awaits("Kustomization/app", "waits for 2 more")
	offline := app.PlanConfig{
		Previews:  app.PreviewConfig{CacheDir: t.TempDir()},
		Revisions: app.Revisions{Dir: s.dir},
		Entries:   []entry.Options{{Path: "app", Name: "app", Namespace: s.ns}},
	}
	found, err := app.Approvables(t.Context(), offline, approval.SealOf("", "word"))
	s.must(err)
	id := s.ns + "_app_kustomize.toolkit.fluxcd.io_Kustomization"
	if found.Units[id] != asked {
		t.Errorf("from the directory: %s, the engine asks for %s; unknown: %v", found.Units[id], asked, found.Unknown)
	}
}
