package build

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// Ignored tells whether a file or directory of the source is left out of a
// rendering: of the manifests that are found, and of what the kustomization at
// its top names.
type Ignored func(name string, kind tree.Kind) bool

// Render builds what people read: as `flux build kustomization` prints it
// (flux2 v2.9.5, internal/build/build.go). Objects stay as kustomize wrote them,
// with owner labels and common metadata, and what SOPS has encrypted is masked
// instead of refused. r.OwnerName must be set.
func Render(ctx context.Context, t tree.Tree, r Recipe, o RenderOptions) ([]*unstructured.Unstructured, error) {
	p := newPort(ctx, t, &record.Recorder{})
	p.ignored = o.Ignored
	docs, err := p.build(ctx, r, o.Options)
	if err != nil {
		return nil, p.outward(err)
	}
	var out []*unstructured.Unstructured
	for _, doc := range docs {
		found, err := doc.objects()
		if err != nil {
			return nil, err
		}
		for _, u := range found {
			if err := r.dress(u); err != nil {
				return nil, err
			}
			out = append(out, u)
		}
	}
	return out, nil
}

// RenderOptions is what Render needs beside a recipe.
type RenderOptions struct {
	Options
	Ignored Ignored // nil leaves nothing out
}

// dress gives an object what marks it as ours, and masks it. The namespace may
// be empty: a Kustomization in a file need not have one.
func (r Recipe) dress(u *unstructured.Unstructured) error {
	u.SetLabels(merged(u.GetLabels(), map[string]string{object.OwnerName: r.OwnerName, object.OwnerNamespace: r.OwnerNamespace}))
	if err := maskEncrypted(u); err != nil {
		return fmt.Errorf("failed to mask secret %s sops data: %w", u.GetName(), err)
	}
	if labels := merged(u.GetLabels(), r.CommonLabels); len(labels) > 0 {
		u.SetLabels(labels)
	}
	if annotations := merged(u.GetAnnotations(), r.CommonAnnotations); len(annotations) > 0 {
		u.SetAnnotations(annotations)
	}
	return nil
}

// leaveOut takes out of a kustomization what is ignored. Addresses stay.
func (p *port) leaveOut(dir string, k *types.Kustomization) {
	if p.ignored == nil {
		return
	}
	for _, list := range []*[]string{&k.Resources, &k.Components, &k.Crds} {
		*list = slices.DeleteFunc(*list, func(name string) bool {
			at := path.Join(dir, name)
			kind, err := p.kind(at)
			return err == nil && kind != tree.Missing && p.ignored(display(at), kind)
		})
	}
}

// sopsMask stands for what SOPS has encrypted.
const sopsMask = "**SOPS**"

// maskEncrypted masks a Secret that SOPS has encrypted: as a whole, or values
// that are encrypted files. Other Secrets stay, as upstream prints them, but for
// an empty data.
func maskEncrypted(u *unstructured.Unstructured) error {
	if u.GetKind() != "Secret" {
		return nil
	}
	text, err := yaml.Marshal(u.Object)
	if err != nil {
		return err
	}
	whole := bytes.Contains(text, []byte("sops:")) && bytes.Contains(text, []byte("mac: ENC["))
	mask := sopsMask
	if whole {
		delete(u.Object, "sops")
		if u.Object["type"] == "kubernetes.io/dockerconfigjson" {
			mask = `{"mask":"` + sopsMask + `"}`
		}
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(mask))
	data, _ := u.Object["data"].(map[string]any)
	for name, value := range data {
		s := fmt.Sprint(value)
		clear, err := base64.StdEncoding.DecodeString(s)
		if err != nil && !whole {
			return err
		}
		data[name] = s
		if whole || encrypted(clear) {
			data[name] = encoded
		}
	}
	if len(data) == 0 {
		delete(u.Object, "data")
	}
	plain, _ := u.Object["stringData"].(map[string]any)
	for name, value := range plain {
		s := fmt.Sprint(value)
		plain[name] = s
		if whole {
			plain[name] = mask
		} else if encrypted([]byte(s)) {
			plain[name] = encoded // as upstream does
		}
	}
	return nil
}

func encrypted(text []byte) bool {
	return bytes.Contains(text, []byte("sops")) && bytes.Contains(text, []byte("ENC["))
}
