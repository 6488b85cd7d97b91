package engine

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
)

// What the API refuses, somebody refuses: a webhook, a policy, a quota, a
// namespace that goes, the rights of an account. A run that was refused reads
// whoever did, so that a change there brings the next run, and not only the
// retry interval.

// GuardSubject names what can refuse objects: with a namespace its quotas and
// limits, without one the webhooks and policies of the cluster.
func GuardSubject(namespace string) string { return "guards of " + namespace }

// RightsSubject names who may do what.
const RightsSubject = "rights"

// maxRefusals bounds the errors of one run that are looked at: they repeat.
const maxRefusals = 1000

// refusals notes whoever refused what an error tells of.
func (v view) refusals(err error) {
	left := maxRefusals
	v.refusal(err, "", &left)
}

// refusal walks the tree of an error; the namespace is that of the object which
// was refused.
func (v view) refusal(err error, namespace string, left *int) {
	if *left--; err == nil || *left < 0 {
		return
	}
	if r, ok := err.(interface{ Object() object.Ref }); ok {
		namespace = r.Object().Namespace
	}
	if s, ok := err.(apierrors.APIStatus); ok {
		v.refusedBy(err, s, namespace)
		return
	}
	switch next := err.(type) {
	case interface{ Unwrap() error }:
		v.refusal(next.Unwrap(), namespace, left)
	case interface{ Unwrap() []error }:
		for _, one := range next.Unwrap() {
			v.refusal(one, namespace, left)
		}
	}
}

// refusedBy reads who said no out of one answer of the API.
func (v view) refusedBy(err error, status apierrors.APIStatus, namespace string) {
	text := status.Status().Message
	switch {
	case apierrors.IsForbidden(err) && lacksRights(text):
		v.subject(RightsSubject)
		return
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		v.note(namespaceKey(namespace), record.Miss)
		return
	}
	if service, ok := serviceBehind(text); ok {
		v.note(service, record.Miss)
	}
	if apierrors.IsForbidden(err) || strings.Contains(text, "webhook") || strings.Contains(text, "AdmissionPolicy") {
		v.subject(GuardSubject(""))
		if namespace != "" { // its quotas, and the level of security in its labels
			v.subject(GuardSubject(namespace))
			v.note(namespaceKey(namespace), record.Miss)
		}
	}
}

// lacksRights tells a refusal by the authorizer, «User "…" cannot …», from one by
// admission (k8s.io/apiserver v0.36 pkg/endpoints/handlers/responsewriters,
// forbiddenMessage).
func lacksRights(text string) bool {
	return strings.Contains(text, `User "`) && strings.Contains(text, `" cannot `)
}

// webhookAddress is how the API server addresses the service of a webhook, in the
// words of an error of net/http: Post "https://name.namespace.svc:443/path": …
var webhookAddress = regexp.MustCompile(`"https://([a-z0-9-]{1,63})\.([a-z0-9-]{1,63})\.svc[:/?"]`)

// serviceBehind returns the Endpoints of the service that the API server called
// and did not reach: they bear the name of the service.
func serviceBehind(text string) (object.Key, bool) {
	m := webhookAddress.FindStringSubmatch(text)
	if m == nil {
		return object.Key{}, false
	}
	return object.Key{Kind: endpoints, Namespace: m[2], Name: m[1]}, true
}

const endpoints = "Endpoints"

// Slow tells whether the API server itself learns of a change of an object by a
// watch of its own before it acts otherwise: whoever heard of the change must ask
// again a little later.
func Slow(key object.Key) bool {
	return key.Group == "" && (key.Kind == endpoints || key.Kind == "Namespace")
}

func namespaceKey(name string) object.Key { return object.Key{Kind: "Namespace", Name: name} }

func (v view) subject(name string) {
	v.rec.Note(record.Read{Space: record.Object, Key: At(v.at, name)})
}

// Predictable tells whether a group is part of Kubernetes, whose schema refuses the
// same here and there.
func Predictable(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") &&
		slices.Contains([]string{
			"rbac.authorization.k8s.io", "networking.k8s.io", "storage.k8s.io", "scheduling.k8s.io", "node.k8s.io",
			"policy", "discovery.k8s.io", "coordination.k8s.io", "events.k8s.io",
		}, group)
}
