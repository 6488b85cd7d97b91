package fluxtest

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/leat-dev/leat/internal/fluxcli"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// A definition that says of itself that it stores an old version too is clean
// after migrate, and its objects are stored anew.
func TestMigrateCluster(t *testing.T) {
	kubeconfig := up(t)
	t.Setenv("KUBECONFIG", kubeconfig)
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w, err := cluster.New(cfg, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	crd := object.Ref{Key: object.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "gitrepositories.source.toolkit.fluxcd.io"}, Version: "v1"}
	patch := func(subresource, text string) {
		t.Helper()
		if _, err := w.Patch(ctx, world.Patch{Ref: crd, Type: types.MergePatchType, Data: []byte(text), Subresource: subresource}); err != nil {
			t.Fatal(err)
		}
	}
	patch("", `{"metadata":{"labels":{"app.kubernetes.io/part-of":"flux"}}}`)
	defer patch("", `{"metadata":{"labels":{"app.kubernetes.io/part-of":null}}}`)
	patch("status", `{"status":{"storedVersions":["v1beta2","v1"]}}`)
	var out bytes.Buffer
	if code := fluxcli.Main(ctx, []string{"migrate"}, fluxcli.Env{Out: &out, Err: &out, Version: "dev"}); code != 0 {
		t.Fatal(out.String())
	}
	for _, want := range []string{
		"✔ GitRepository/flux-system/flux-system migrated to version v1\n",
		"✔ gitrepositories.source.toolkit.fluxcd.io migrated to storage version v1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("migrate says\n%s, not %s", out.String(), want)
		}
	}
	after, err := w.Get(ctx, crd)
	if err != nil {
		t.Fatal(err)
	}
	if stored, _, _ := unstructured.NestedStringSlice(after.Object, "status", "storedVersions"); len(stored) != 1 || stored[0] != "v1" {
		t.Errorf("the definition stores %v, want v1", stored)
	}
}
