package create

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/secret"
)

// What the verbs print is held by the transcripts of package fluxcli. Here: what
// is no output.

func TestKustomizationPathStaysBelow(t *testing.T) {
	for in, want := range map[string]string{
		"": "./", "./": "./", "apps": "./apps", "/apps/": "./apps", "../../etc": "./etc", "a/../../b//c": "./b/c", " ./x ": "./x",
	} {
		if got := KustomizationPath(in); got != want {
			t.Errorf("KustomizationPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDependencyWithExpression(t *testing.T) {
	obj, err := Kustomization{Source: Reference{Kind: "Bucket", Name: "b"}, DependsOn: []string{"ns/db@dep.status.ok"}}.Object(Meta{Name: "apps"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := YAML(obj)
	if err != nil {
		t.Fatal(err)
	}
	if want := "- name: db\n    namespace: ns\n    readyExpr: dep.status.ok\n"; !strings.Contains(text, want) {
		t.Errorf("got\n%s\nwithout\n%s", text, want)
	}
}

// Flags that hold secrets show nothing of them, however they are printed.
func TestFlagsHideSecrets(t *testing.T) {
	canary := secret.Of("canary")
	for _, v := range []any{
		GitSecret{Password: canary, BearerToken: canary, SSH: &KeyPair{Private: canary}}, HelmSecret{Password: canary, TLS: TLSSecret{Key: canary}},
		OCISecret{Password: canary}, ProxySecret{Address: canary, Password: canary}, GitHubAppSecret{PrivateKey: canary},
		ReceiverSecret{Token: canary}, BucketSecret{AccessKey: canary, SecretKey: canary},
	} {
		if text := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(text, "canary") {
			t.Errorf("%T prints %s", v, text)
		}
	}
}
