package controlplane

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	schedulingv1 "k8s.io/kubernetes/pkg/apis/scheduling/v1"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// seeding says who writes the built-in roles and priority classes.
type seeding int

const (
	// upstreamSeeding runs kube-apiserver's own hooks, which also migrate objects
	// of older versions. Both begin with a sleep of a second.
	upstreamSeeding seeding = iota
	// freshSeeding creates them at once in an empty cluster.
	freshSeeding
	// noSeeding: the same version wrote them already.
	noSeeding
)

// seedWorkers is how many objects are created at once.
const seedWorkers = 8

func seedingFor(writtenBy string) seeding {
	switch writtenBy {
	case "":
		return freshSeeding
	case Version:
		return noSeeding
	default:
		return upstreamSeeding
	}
}

func (s seeding) install(generic *genericapiserver.Config) error {
	if s == upstreamSeeding {
		return nil
	}
	generic.DisabledPostStartHooks.Insert("rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes")
	if s == noSeeding {
		return nil
	}
	return generic.AddPostStartHook("leat/seed", func(c genericapiserver.PostStartHookContext) error {
		if err := seed(c, c.LoopbackClientConfig); err != nil {
			return fmt.Errorf("create the built-in roles and classes: %w", err)
		}
		return nil
	})
}

// seed creates what the disabled hooks create in an empty cluster. Objects that
// are there already come from a seeding that was interrupted.
func seed(ctx context.Context, config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{}}
	for ns.Name = range bootstrappolicy.NamespaceRoles() {
		if _, err := c.CoreV1().Namespaces().Create(ctx, ns.DeepCopy(), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return inParallel(seedWorkers, seeds(ctx, c))
}

// seeds is one call per object to create.
func seeds(ctx context.Context, c kubernetes.Interface) (calls []func() error) {
	opts := metav1.CreateOptions{}
	add := func(call func() error) { calls = append(calls, call) }
	for _, o := range append(bootstrappolicy.ClusterRoles(), bootstrappolicy.ControllerRoles()...) {
		add(func() error { _, err := c.RbacV1().ClusterRoles().Create(ctx, &o, opts); return err })
	}
	for _, o := range append(bootstrappolicy.ClusterRoleBindings(), bootstrappolicy.ControllerRoleBindings()...) {
		add(func() error { _, err := c.RbacV1().ClusterRoleBindings().Create(ctx, &o, opts); return err })
	}
	for ns, roles := range bootstrappolicy.NamespaceRoles() {
		for _, o := range roles {
			add(func() error { _, err := c.RbacV1().Roles(ns).Create(ctx, &o, opts); return err })
		}
	}
	for ns, bindings := range bootstrappolicy.NamespaceRoleBindings() {
		for _, o := range bindings {
			add(func() error { _, err := c.RbacV1().RoleBindings(ns).Create(ctx, &o, opts); return err })
		}
	}
	for _, o := range schedulingv1.SystemPriorityClasses() {
		add(func() error { _, err := c.SchedulingV1().PriorityClasses().Create(ctx, o, opts); return err })
	}
	return calls
}

// inParallel runs the calls with n workers; "already exists" is not an error.
func inParallel(n int, calls []func() error) error {
	queue := make(chan func() error)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for call := range queue {
				if err := call(); err != nil && !apierrors.IsAlreadyExists(err) {
					errs[i] = err
				}
			}
		})
	}
	for _, call := range calls {
		queue <- call
	}
	close(queue)
	wg.Wait()
	return errors.Join(errs...)
}
