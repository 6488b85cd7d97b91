package build

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"strings"
)

// Normalize brings u to the form in which Flux applies it (fluxcd/pkg/ssa
// v0.76.2, package normalize). A kind that client-go knows goes through its Go
// type, which drops unknown fields, moves a Secret's stringData to data and
// makes the default protocol of ports explicit; an object that does not fit its
// type, and any other kind, stays as written. The status goes, but for CRDs.
// Role and ClusterRole stay untouched: their type would write empty rules.
func Normalize(u *unstructured.Unstructured) error {
	if u.GetAPIVersion() == "rbac.authorization.k8s.io/v1" && (u.GetKind() == "Role" || u.GetKind() == "ClusterRole") {
		return nil
	}
	if typed, ok := typedOf(u); ok {
		setDefaults(typed)
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
		if err != nil {
			return err
		}
		u.Object = fields
	}
	// Fails only where metadata is no map, which has no name and never comes here.
	_ = unstructured.SetNestedField(u.Object, nil, "metadata", "creationTimestamp")
	if !isCRD(u) {
		delete(u.Object, "status")
	}
	return nil
}

func isCRD(u *unstructured.Unstructured) bool {
	return strings.EqualFold(u.GetKind(), "CustomResourceDefinition") &&
		strings.HasPrefix(u.GetAPIVersion(), "apiextensions.k8s.io/")
}

func typedOf(u *unstructured.Unstructured) (runtime.Object, bool) {
	typed, err := scheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		return nil, false
	}
	if _, ok := typed.(metav1.Object); !ok {
		return nil, false
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
		return nil, false
	}
	return typed, true
}

func setDefaults(typed runtime.Object) {
	switch o := typed.(type) {
	case *corev1.Pod:
		setPodProtocols(&o.Spec)
	case *appsv1.Deployment:
		setPodProtocols(&o.Spec.Template.Spec)
	case *appsv1.StatefulSet:
		setPodProtocols(&o.Spec.Template.Spec)
	case *appsv1.DaemonSet:
		setPodProtocols(&o.Spec.Template.Spec)
	case *appsv1.ReplicaSet:
		setPodProtocols(&o.Spec.Template.Spec)
	case *batchv1.Job:
		setPodProtocols(&o.Spec.Template.Spec)
	case *batchv1.CronJob:
		setPodProtocols(&o.Spec.JobTemplate.Spec.Template.Spec)
	case *corev1.Service:
		for i := range o.Spec.Ports {
			setProtocol(&o.Spec.Ports[i].Protocol)
		}
	case *corev1.Secret:
		foldStringData(o)
	}
}

func setPodProtocols(spec *corev1.PodSpec) {
	for _, c := range spec.Containers {
		for i := range c.Ports {
			setProtocol(&c.Ports[i].Protocol)
		}
	}
}

func setProtocol(p *corev1.Protocol) {
	if *p == "" {
		*p = corev1.ProtocolTCP
	}
}

func foldStringData(s *corev1.Secret) {
	if len(s.StringData) == 0 {
		return
	}
	if s.Data == nil {
		s.Data = make(map[string][]byte, len(s.StringData))
	}
	for k, v := range s.StringData {
		s.Data[k] = []byte(v)
	}
	s.StringData = nil
}
