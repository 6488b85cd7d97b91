package helm

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"sync"

	helmkube "helm.sh/helm/v4/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest"

	"github.com/leat-dev/leat/internal/object"
)

// An install that takes ownership of what exists asks, in Helm, for each object
// whether it exists (helm.sh/helm/v4 v4.2.4 pkg/action/validate.go,
// requireAdoption), only to know how to apply it. Nearly always nothing exists.
// Here objects are applied at once, and those that turn out to have existed in a
// way that matters are then taken over as Helm does: where another manager has a
// field, or where this manager wrote fields otherwise than by applying.

// unasked answers reads with "not found" and passes everything else on.
type unasked struct{ resource.RESTClient }

// Get returns a request that finds nothing.
func (u *unasked) Get() *rest.Request { return nowhere().Get() }

// nowhere is a client of a server that has no objects.
var nowhere = sync.OnceValue(func() *rest.RESTClient {
	config := &rest.Config{Host: "http://127.0.0.1", APIPath: "/api", ContentConfig: resource.UnstructuredPlusDefaultContentConfig(), QPS: -1}
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	c, err := rest.RESTClientForConfigAndClient(config, &http.Client{Transport: notFound{}})
	if err != nil {
		panic(err) // unreachable: the configuration is constant
	}
	return c
})

// unask makes the first manifest that is built after r.unlooked was set be
// created without a look.
func (r *run) unask(list helmkube.ResourceList) {
	if !r.unlooked {
		return
	}
	r.unlooked = false
	for _, i := range list {
		i.Client = &unasked{i.Client}
	}
}

// notFound answers every request so.
type notFound struct{}

// notFoundStatus is what an API server says of an object that is not there.
const notFoundStatus = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"NotFound","code":404}`

// RoundTrip answers.
func (notFound) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusNotFound, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": []string{"application/json"}},
		Body:   io.NopCloser(bytes.NewReader([]byte(notFoundStatus))),
	}, nil
}

// asked gives back the way to objects that were not asked for, and returns those
// objects: nil if there were none.
func asked(list helmkube.ResourceList) helmkube.ResourceList {
	var blind helmkube.ResourceList
	for _, i := range list {
		if u, ok := i.Client.(*unasked); ok {
			i.Client = u.RESTClient
			blind.Append(i)
		}
	}
	return blind
}

// Create does what Helm does, takes over what it did not look for, and makes anew what
// goes meanwhile.
func (c *client) Create(resources helmkube.ResourceList, options ...helmkube.ClientCreateOption) (*helmkube.Result, error) {
	unlooked := asked(resources)
	intents := intended(resources)
	result, err := c.create(resources, intents.Intersect(unlooked), options...)
	if err == nil {
		err = c.renew(resources, intents)
	}
	return result, err
}

func (c *client) create(resources, blind helmkube.ResourceList, options ...helmkube.ClientCreateOption) (*helmkube.Result, error) {
	result, err := c.Client.Create(resources, options...)
	switch {
	case len(blind) == 0 || c.run.ctx.Err() != nil:
		return result, err
	case err != nil && hasConflict(err):
		return c.adopt(blind)
	case err != nil:
		return result, err
	}
	if old := resources.Filter(writtenOtherwise); len(old) > 0 {
		_, err = c.adopt(blind.Intersect(old))
	}
	return result, err
}

// adopt applies objects as Helm's install does to those that exist.
func (c *client) adopt(targets helmkube.ResourceList) (*helmkube.Result, error) {
	var originals helmkube.ResourceList
	for _, i := range targets {
		original := *i
		originals.Append(&original)
	}
	return c.Client.Update(originals, targets,
		helmkube.ClientUpdateOptionServerSideApply(true, true), helmkube.ClientUpdateOptionUpgradeClientSideFieldManager(true))
}

// hasConflict tells whether any of joined errors is a conflict.
func hasConflict(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(many.Unwrap(), hasConflict)
	}
	return apierrors.IsConflict(err)
}

// writtenOtherwise tells whether an object, as the server answered, has fields
// that this manager wrote and did not apply.
func writtenOtherwise(i *resource.Info) bool {
	at, err := meta.Accessor(i.Object)
	return err == nil && slices.ContainsFunc(at.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == object.ManagerHelm && m.Operation == metav1.ManagedFieldsOperationUpdate && m.Subresource == ""
	})
}
