package crd_test

import (
	"context"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"

	"github.com/leat-dev/leat/internal/crd"
)

// served is every kind with all versions that Flux ever served since 2.0,
// newest first.
var served = map[string][]string{
	"Alert.notification.toolkit.fluxcd.io":          {"v1beta3", "v1beta2", "v1beta1"},
	"ArtifactGenerator.source.extensions.fluxcd.io": {"v1beta1"},
	"Bucket.source.toolkit.fluxcd.io":               {"v1", "v1beta2", "v1beta1"},
	"ExternalArtifact.source.toolkit.fluxcd.io":     {"v1"},
	"GitRepository.source.toolkit.fluxcd.io":        {"v1", "v1beta2", "v1beta1"},
	"HelmChart.source.toolkit.fluxcd.io":            {"v1", "v1beta2", "v1beta1"},
	"HelmRelease.helm.toolkit.fluxcd.io":            {"v2", "v2beta2", "v2beta1"},
	"HelmRepository.source.toolkit.fluxcd.io":       {"v1", "v1beta2", "v1beta1"},
	"ImagePolicy.image.toolkit.fluxcd.io":           {"v1", "v1beta2", "v1beta1"},
	"ImageRepository.image.toolkit.fluxcd.io":       {"v1", "v1beta2", "v1beta1"},
	"ImageUpdateAutomation.image.toolkit.fluxcd.io": {"v1", "v1beta2", "v1beta1"},
	"Kustomization.kustomize.toolkit.fluxcd.io":     {"v1", "v1beta2", "v1beta1"},
	"OCIRepository.source.toolkit.fluxcd.io":        {"v1", "v1beta2"},
	"Provider.notification.toolkit.fluxcd.io":       {"v1beta3", "v1beta2", "v1beta1"},
	"Receiver.notification.toolkit.fluxcd.io":       {"v1", "v1beta2", "v1beta1"},
}

func TestServesEveryVersion(t *testing.T) {
	got := map[string][]string{}
	for _, c := range crd.All() {
		name := c.Spec.Names.Kind + "." + c.Spec.Group
		for i, v := range c.Spec.Versions {
			got[name] = append(got[name], v.Name)
			if !v.Served || v.Storage != (i == 0) {
				t.Errorf("%s %s: served %v, storage %v", name, v.Name, v.Served, v.Storage)
			}
		}
		if got, want := crd.StorageVersion(c.Spec.Group, c.Spec.Names.Kind), c.Spec.Versions[0].Name; got != want {
			t.Errorf("StorageVersion of %s: %s, want %s", name, got, want)
		}
		if got := c.Annotations["kustomize.toolkit.fluxcd.io/substitute"]; got != "disabled" {
			t.Errorf("%s: annotation substitute is %q", name, got)
		}
	}
	if diff := cmp.Diff(got, served); diff != "" {
		t.Errorf("versions (-got +want):\n%s", diff)
	}
}

// TestAccepted asks what the API server asks of a definition, which includes
// structural schemas, valid defaults, and the cost of CEL rules.
func TestAccepted(t *testing.T) {
	for _, c := range crd.All() {
		apiextensionsv1.SetDefaults_CustomResourceDefinition(c)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&c.Spec)
		c.Status.StoredVersions = []string{crd.StorageVersion(c.Spec.Group, c.Spec.Names.Kind)}
		var internal apiextensions.CustomResourceDefinition
		err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(c, &internal, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range validation.ValidateCustomResourceDefinition(context.Background(), &internal) {
			t.Errorf("%s: %v", c.Name, fault)
		}
	}
}

// TestCopies changes what the package returns and asks again.
func TestCopies(t *testing.T) {
	crd.All()[0].Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"] = apiextensionsv1.JSONSchemaProps{}
	first := crd.All()[0]
	if first.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Type != "object" {
		t.Error("All returned a value that it shares")
	}
	if _, ok := crd.ByKind(crd.SourceGroup, "Nothing"); ok {
		t.Error("ByKind found a kind that is not there")
	}
	if !sort.SliceIsSorted(crd.All(), func(i, j int) bool { return crd.All()[i].Name < crd.All()[j].Name }) {
		t.Error("All is not sorted by name")
	}
}

// TestVersionsShareOneSchema takes away what a version may have of its own,
// defaults and CEL rules, and finds nothing else that differs. So nothing is
// pruned on the way from one version to another.
func TestVersionsShareOneSchema(t *testing.T) {
	for _, c := range crd.All() {
		want := common(c.Spec.Versions[0].Schema.OpenAPIV3Schema)
		for _, v := range c.Spec.Versions[1:] {
			if diff := cmp.Diff(common(v.Schema.OpenAPIV3Schema), want); diff != "" {
				t.Errorf("%s %s (-got +storage version):\n%s", c.Name, v.Name, diff)
			}
		}
	}
}

func common(s *apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
	c := *s.DeepCopy()
	c.Default, c.XValidations = nil, nil
	for name, p := range c.Properties {
		c.Properties[name] = common(&p)
	}
	if c.Items != nil {
		p := common(c.Items.Schema)
		c.Items.Schema = &p
	}
	if c.AdditionalProperties != nil {
		p := common(c.AdditionalProperties.Schema)
		c.AdditionalProperties.Schema = &p
	}
	return c
}

func BenchmarkAll(b *testing.B) {
	for b.Loop() {
		crd.All()
	}
}
