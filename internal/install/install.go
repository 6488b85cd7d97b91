// Package install holds what has to be in a cluster for Leat to work there, as
// values, and puts it there or takes it away through a World.
//
//	objs, err := install.Render(install.Options{Version: "v1.2.0"})
//	err = install.Write(os.Stdout, objs)             // or
//	err = install.Apply(ctx, w, objs, progress)
//	err = install.Uninstall(ctx, w, install.Removal{}, progress)
//
// What outsiders know of a Flux installation has the same names here: labels,
// CRDs, ServiceAccounts, ClusterRoles, Services, ports, the container's name.
// There are two layouts: one Deployment that does everything, and Flux's
// Deployments, each the same image with a part of the work.
//
// It must never remove a version of a CRD that a cluster serves or stores, and
// never touch what Flux objects have applied.
package install

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Layout says which Deployments do the work.
type Layout string

// The layouts.
const (
	// OneDeployment is one process for all components, named leat.
	OneDeployment Layout = "leat"
	// LikeFlux is a Deployment per component under the names that Flux gives
	// them, for tools and people that look for these.
	LikeFlux Layout = "flux"
)

// Defaults of Options.
const (
	DefaultNamespace = "flux-system"
	DefaultRegistry  = "ghcr.io/leat-dev"
	DefaultDomain    = "cluster.local"
	DefaultLogLevel  = "info"
	DefaultVersion   = "dev"
)

// Options are the choices of an installation. The zero value is the usual one:
// everything, in one Deployment, in flux-system.
type Options struct {
	Namespace string
	Layout    Layout
	// Components are those of Flux's controllers whose work is done; nil is all.
	// Kinds of the others get no CRD.
	Components []string
	// Version is that of Leat: the tag of the image and the label
	// app.kubernetes.io/version.
	Version string
	// Registry holds the image, as registry/leat:version.
	Registry string
	// Image is the full name of the image, instead of Registry and Version.
	Image           string
	ImagePullSecret string
	// OwnNamespaceOnly leaves objects in other namespaces alone.
	OwnNamespaceOnly bool
	NoNetworkPolicy  bool
	// TolerationKeys are the keys of taints that the pods tolerate.
	TolerationKeys []string
	ClusterDomain  string
	LogLevel       string
	// ActAsControllers takes the administrator's rights from the process of
	// OneDeployment: where an object names no ServiceAccount it acts as
	// kustomize-controller or helm-controller, whose names then stand in the
	// audit log and before the policies of the cluster, as with Flux.
	ActAsControllers bool

	// Access lets people ask for temporary rights: kinds, admission policies, and the
	// controller that grants (package access).
	Access bool

	// The lockdown of a cluster with several tenants, as in Flux: references
	// stay in their namespace, kustomizations load nothing from elsewhere, and
	// what names no ServiceAccount is applied with the rights of this one.
	NoCrossNamespaceRefs  bool
	NoRemoteBases         bool
	DefaultServiceAccount string
}

// Render returns the objects of an installation in the order in which they can
// be created. Equal options give equal objects.
func Render(o Options) ([]*unstructured.Unstructured, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	r := rendering{Options: o, parts: o.parts()}
	r.add(r.namespace())
	r.addAll(r.definitions())
	r.addAll(r.rights())
	r.addAccess()
	r.add(r.quota())
	r.addAll(r.policies())
	r.addAll(r.services())
	r.addAll(r.deployments())
	return r.objects, r.err
}

func (o Options) withDefaults() Options {
	set := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	set(&o.Namespace, DefaultNamespace)
	set((*string)(&o.Layout), string(OneDeployment))
	set(&o.Version, DefaultVersion)
	o.Version = strings.ReplaceAll(o.Version, "+", "_") // labels and tags know no +
	set(&o.Registry, DefaultRegistry)
	set(&o.Image, o.Registry+"/leat:"+o.Version)
	set(&o.ClusterDomain, DefaultDomain)
	set(&o.LogLevel, DefaultLogLevel)
	if len(o.Components) == 0 {
		o.Components = ComponentNames()
	}
	return o
}

func (o Options) check() error {
	if o.Layout != OneDeployment && o.Layout != LikeFlux {
		return fmt.Errorf("deployments %q: want %s or %s", o.Layout, OneDeployment, LikeFlux)
	}
	for _, name := range o.Components {
		if !slices.Contains(ComponentNames(), name) {
			return fmt.Errorf("component %q: want some of %v", name, ComponentNames())
		}
	}
	if !slices.Contains([]string{"debug", "info", "error"}, o.LogLevel) {
		return fmt.Errorf("log level %q: want debug, info or error", o.LogLevel)
	}
	if o.Access && o.Layout == LikeFlux && !slices.Contains(o.Components, KustomizeController) {
		return fmt.Errorf("access: %s grants it, and is not among the components", KustomizeController)
	}
	return o.checkNames()
}

// rendering is an installation under construction.
type rendering struct {
	Options
	parts   []component
	objects []*unstructured.Unstructured
	err     error
}

// add appends a typed object, with the labels that all objects have.
func (r *rendering) add(obj runtime.Object) {
	u, err := toUnstructured(obj)
	if err != nil {
		r.err = err
		return
	}
	r.addUnstructured(u)
}

func (r *rendering) addUnstructured(u *unstructured.Unstructured) {
	labels := u.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	for key, value := range r.labels("") {
		labels[key] = value
	}
	u.SetLabels(labels)
	r.objects = append(r.objects, u)
}

func (r *rendering) addAll(objs []runtime.Object) {
	for _, obj := range objs {
		r.add(obj)
	}
}

// toUnstructured writes an object as a person would: without the empty fields
// that Go's types add.
func toUnstructured(obj runtime.Object) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return nil, fmt.Errorf("render %T: %w", obj, err)
	}
	u := &unstructured.Unstructured{Object: content}
	delete(u.Object, "status")
	for _, path := range [][]string{{"spec"}, {"spec", "strategy"}} {
		if m, ok, _ := unstructured.NestedMap(u.Object, path...); ok && len(m) == 0 {
			unstructured.RemoveNestedField(u.Object, path...)
		}
	}
	return u, nil
}
