package accesstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leat-dev/leat/internal/access"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: shop}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: web}]}`

// The life of a grant as people see it: asked for, approved by somebody else, used,
// ended; what it wrote is told, and the unit that owns it asked to put it back.
func TestAccess(t *testing.T) {
	s := newStand(t)
	shop := s.namespace("shop")
	s.namespace("bank")
	s.policy("prod", edit(shop)+"  atEnd: revert\n")
	s.create(strings.Replace(deployment, "name: web,", "name: web, namespace: shop,", 1))
	s.create("apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: shop}\nspec: {interval: 24h, prune: true, sourceRef: {kind: GitRepository, name: apps}}")
	s.start()

	s.cannot("AccessPolicy prod does not know role admin; it knows edit", "alice", "access", "request", "--env=prod", "--role=admin", "-n=shop", "--reason=x")
	s.cannot("edit is not granted in namespace bank", "alice", "access", "request", "--env=prod", "--role=edit", "-n=bank", "--reason=x")
	s.cannot("there is no AccessPolicy test in this cluster; there is ", "alice", "access", "request", "--env=test", "--role=edit", "-n=shop", "--reason=x")
	name := s.asks("alice", "--env=prod", "--role=edit", "-n=shop", "--for=10m", "--reason=the shop is down <!channel> @here")
	seen := s.looked(name)
	s.cannot("nobody decides about their own request", "alice", "access", "approve", name)
	s.cannot("does not let eve decide", "eve", "access", "approve", name)
	if left := strings.Join(seen.Status.Snapshot.Left, "\n"); !strings.Contains(left, "impersonate serviceaccounts") || !strings.Contains(left, "pods/exec: ") {
		t.Errorf("left out of edit: got\n%s", left)
	}
	s.cannot("waits for 1 approval(s) of alice, group platform", "alice", "access", "use", name, "--", "true")
	s.does("carol", "access", "approve", name, "--reason=go ahead")
	held := s.reaches(name, access.Active)

	// Only who asked can open the token, and it ends when it says.
	if out := s.does("carol", "access", "show", name, "-o=json"); strings.Contains(out, s.token(held)) {
		t.Error("the token can be read by others")
	}
	if exp := s.claims(s.token(held))["exp"].(float64); int64(exp) != held.Status.Grant.Until.Unix() {
		t.Errorf("the token ends at %v, the grant at %s", exp, held.Status.Grant.Until)
	}
	if life := held.Status.Grant.Until.Sub(held.Status.Grant.From.Time); life != 10*time.Minute {
		t.Errorf("the grant is for %s", life)
	}
	file := filepath.Join(t.TempDir(), "elevated")
	s.does("alice", "access", "use", name, "--write="+file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig: %v %v", info, err)
	}
	if out := s.does("alice", "access", "use", name, "--", "sh", "-c", "grep -c token: $KUBECONFIG; stat -c %a $KUBECONFIG"); out != "1\n600\n" {
		t.Errorf("a command with the grant: got %q", out)
	}
	key := filepath.Join(s.home, ".config", "leat", "access", name+".key")
	if _, err := os.Stat(key); err != nil {
		t.Errorf("the key of a grant that holds: %v", err)
	}

	elevated := s.with(s.token(held))
	patch := []byte(`{"spec":{"replicas":3}}`)
	if _, err := elevated.Resource(deployments).Namespace("shop").Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-patch"}); err != nil {
		t.Errorf("what was approved is refused: %v", err)
	}
	patch = []byte(`{"spec":{"suspend":true}}`)
	if _, err := elevated.Resource(units).Namespace("shop").Patch(t.Context(), "apps", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-patch"}); err != nil {
		t.Errorf("the unit cannot be suspended: %v", err)
	}
	if _, err := elevated.Resource(configMaps).Namespace("bank").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("another namespace: got %v, want forbidden", err)
	}
	s.does("alice", "access", "end", name)
	over := s.reaches(name, access.Ended)
	s.takenBack(over)
	// The API server knows a token for ten seconds after it has looked at it; the rights
	// are gone at once.
	if _, err := elevated.Resource(deployments).Namespace("shop").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("after the end: got %v, want forbidden or unauthorized", err)
	}
	if !slices.ContainsFunc(over.Status.End.Writes, func(w access.Write) bool {
		return w.Kind == "Deployment" && strings.Contains(w.Manager, "kubectl-patch") && w.Unit == "Kustomization/shop/apps"
	}) {
		t.Errorf("written: got %+v", over.Status.End.Writes)
	}
	if !slices.Equal(over.Status.End.Reverted, []string{"Kustomization/shop/apps"}) || over.Status.End.By != "alice" || len(over.Status.End.Unread) > 0 {
		t.Errorf("the end: got %+v", over.Status.End)
	}
	k, err := s.dyn.Resource(units).Namespace("shop").Get(t.Context(), "apps", metav1.GetOptions{})
	s.must(err)
	if k.GetAnnotations()["reconcile.fluxcd.io/requestedAt"] == "" {
		t.Error("the unit was not asked to put it back")
	}
	if suspended, _, _ := unstructured.NestedBool(k.Object, "spec", "suspend"); suspended {
		t.Error("the unit is still suspended")
	}
	told := s.awaitEvents(name, "AccessRequested", "AccessApproved", "AccessGranted", "AccessEnded")
	if text := told["AccessRequested"]; strings.ContainsAny(text, "<>@") || !strings.Contains(text, "the shop is down") {
		t.Errorf("the request is announced as %s", text)
	}
	if text := s.does("carol", "access", "show", name); !strings.Contains(text, "Deployment/shop/web, which Kustomization/shop/apps applies") {
		t.Errorf("leat access show:\n%s", text)
	}
	if _, err := os.Stat(key); !os.IsNotExist(err) {
		t.Errorf("the key of a grant that is over is still there: %v", err)
	}
	if out := s.does("carol", "access", "list"); strings.Contains(out, name) {
		t.Errorf("leat access list:\n%s", out)
	}
	if out := s.does("carol", "access", "list", "--all", "-o=json"); !strings.Contains(out, name) {
		t.Errorf("leat access list --all:\n%s", out)
	}
	s.cannot("is over (Ended)", "carol", "access", "approve", name)
}

// takenBack tells that nothing of a grant is left, and its token is not either.
func (s *stand) takenBack(r access.Request) {
	s.Helper()
	for _, ns := range r.Spec.Namespaces {
		if _, err := s.dyn.Resource(bindings).Namespace(ns).Get(s.Context(), r.Account(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			s.Errorf("the binding: got %v, want none", err)
		}
	}
	if _, err := s.dyn.Resource(accounts).Namespace(access.Namespace).Get(s.Context(), r.Account(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.Errorf("the account: got %v, want none", err)
	}
	for _, part := range r.Parts() {
		if _, err := s.dyn.Resource(roles).Get(s.Context(), part.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			s.Errorf("the role: got %v, want none", err)
		}
	}
	if r.Status.Grant != nil && r.Status.Grant.Token != "" {
		s.Error("the token is still there")
	}
}

// The controller is killed in the middle. The API server goes on by itself: it holds
// everybody to their names, and refuses the token after its end, while account and
// rights are still there. What was approved meanwhile is granted, and what is over is
// taken back, when the controller comes back.
func TestTheControllerIsKilled(t *testing.T) {
	s := newStand(t)
	s.namespace("killed")
	s.policy("killed", edit("killed"))
	s.start()
	held := s.granted("alice", "--env=killed", "--role=edit", "-n=killed", "--for=10m", "--reason=x")
	waiting := s.looked(s.asks("bob", "--env=killed", "--role=edit", "-n=killed", "--reason=x"))
	withdrawn := s.granted("bob", "--env=killed", "--role=edit", "-n=killed", "--reason=x")
	s.stop()

	token := s.token(held)
	list := func(token string) error {
		_, err := s.with(token).Resource(configMaps).Namespace("killed").List(s.Context(), metav1.ListOptions{})
		return err
	}
	if err := list(token); err != nil {
		t.Errorf("the grant, within its time: %v", err)
	}
	// The very token with other ends, signed with the cluster's key: what refuses it is
	// its end and nothing else.
	now := time.Now()
	if err := list(s.resigned(token, now.Add(time.Minute))); err != nil {
		t.Errorf("signed again, within its time: %v", err)
	}
	// (It allows for a minute by which clocks may differ.)
	if err := list(s.resigned(token, now.Add(-61*time.Second))); !apierrors.IsUnauthorized(err) {
		t.Errorf("past its end: got %v, want unauthorized", err)
	}
	if _, err := s.dyn.Resource(bindings).Namespace("killed").Get(t.Context(), held.Account(), metav1.GetOptions{}); err != nil {
		t.Errorf("its rights should still be there: %v", err)
	}
	s.does("carol", "access", "approve", waiting.Name)
	s.does("carol", "access", "end", withdrawn.Name)
	s.endedLongAgo(held)

	s.start()
	s.takenBack(s.reaches(held.Name, access.Ended))
	s.takenBack(s.reaches(withdrawn.Name, access.Ended))
	s.reaches(waiting.Name, access.Active)

	// A request that is deleted takes its grant with it, and what was said about it.
	s.must(s.dyn.Resource(requests).Delete(t.Context(), waiting.Name, metav1.DeleteOptions{}))
	s.gone(waiting)
}

// gone waits until a request is deleted, and with it its grant and decisions.
func (s *stand) gone(r access.Request) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), within)
	defer cancel()
	w, err := s.dyn.Resource(requests).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + r.Name})
	s.must(err)
	defer w.Stop()
	_, err = s.dyn.Resource(requests).Get(ctx, r.Name, metav1.GetOptions{})
	for there := !apierrors.IsNotFound(err); there; { // the watch tells of what goes from now on
		e, more := <-w.ResultChan()
		if !more {
			s.Fatal("it is not deleted")
		}
		there = e.Type != "DELETED"
	}
	r.Status.Grant = nil
	s.takenBack(r)
	left, err := s.dyn.Resource(decisions).List(s.Context(), metav1.ListOptions{})
	s.must(err)
	for _, d := range left.Items {
		if strings.HasPrefix(d.GetName(), r.Name) {
			s.Errorf("decision %s is left", d.GetName())
		}
	}
}

// endedLongAgo writes, as only the controller may, that a grant was over an hour ago:
// ten minutes is the least that the API server makes a token for.
func (s *stand) endedLongAgo(r access.Request) {
	s.Helper()
	ago := time.Now().Add(-time.Hour).UTC()
	patch := []byte(`{"status":{"grant":{"until":"` + ago.Format(time.RFC3339) + `"}}}`)
	client := s.with(s.controller().Token)
	_, err := client.Resource(requests).Patch(s.Context(), r.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	s.must(err)
}

// claims are those of a token.
func (s *stand) claims(token string) map[string]any {
	s.Helper()
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	s.must(err)
	var out map[string]any
	s.must(json.Unmarshal(body, &out))
	return out
}

// resigned is a token with another end, signed with the key of the API server
// (ES256, RFC 7518 section 3.4).
func (s *stand) resigned(token string, end time.Time) string {
	s.Helper()
	claims := s.claims(token)
	claims["exp"], claims["iat"], claims["nbf"] = end.Unix(), end.Add(-10*time.Minute).Unix(), end.Add(-10*time.Minute).Unix()
	body, err := json.Marshal(claims)
	s.must(err)
	text := strings.Split(token, ".")[0] + "." + base64.RawURLEncoding.EncodeToString(body)
	digest := sha256.Sum256([]byte(text))
	a, b, err := ecdsa.Sign(rand.Reader, s.signingKey(), digest[:])
	s.must(err)
	signature := append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (s *stand) signingKey() *ecdsa.PrivateKey {
	s.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(s.cluster.Kubeconfig), "pki", "sa.key"))
	s.must(err)
	block, _ := pem.Decode(text)
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	s.must(err)
	return key.(*ecdsa.PrivateKey)
}
