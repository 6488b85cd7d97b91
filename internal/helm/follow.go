package helm

import (
	"context"
	"strings"
	"sync"
	"time"

	helmkube "helm.sh/helm/v4/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/leat-dev/leat/internal/cel"
	"github.com/leat-dev/leat/internal/health"
	"github.com/leat-dev/leat/internal/object"
)

// pause is how long a watch that broke rests before it is opened again.
const pause = time.Second

// follower is the Health of a driver that nobody feeds: one watch for each
// object that is not ready when it was applied. It ends with its context.
type follower struct {
	mu      sync.Mutex
	objects map[object.Key]*unstructured.Unstructured // nil: does not exist
	jobsTTL map[object.Key]bool
	changed chan struct{}
	watches sync.WaitGroup
	cancel  context.CancelFunc
}

// follow starts watching from what the server answered when the objects were
// applied.
func follow(ctx context.Context, resources helmkube.ResourceList, custom cel.Health) *follower {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower{
		objects: map[object.Key]*unstructured.Unstructured{}, jobsTTL: map[object.Key]bool{},
		changed: make(chan struct{}), cancel: cancel,
	}
	for _, i := range resources {
		key := refOf(i).Key
		obj, _ := i.Object.(*unstructured.Unstructured)
		f.objects[key] = obj
		if obj != nil {
			_, f.jobsTTL[key], _ = unstructured.NestedFieldNoCopy(obj.Object, "spec", "ttlSecondsAfterFinished")
		}
		if health.Of(obj, health.Rules{Custom: custom}).Status == health.Current {
			continue
		}
		f.watches.Add(1)
		go func() {
			defer f.watches.Done()
			f.watch(ctx, i, key)
		}()
	}
	return f
}

// stop ends the watches and waits for them.
func (f *follower) stop() {
	f.cancel()
	f.watches.Wait()
}

// watch follows one object until ctx ends.
func (f *follower) watch(ctx context.Context, i *resource.Info, key object.Key) {
	helper := resource.NewHelper(i.Client, i.Mapping)
	version := i.ResourceVersion
	for ctx.Err() == nil {
		w, err := helper.WatchSingle(i.Namespace, i.Name, version)
		if err == nil {
			f.events(ctx, w, key)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		version = ""
		if now, err := helper.Get(i.Namespace, i.Name); err == nil {
			obj := now.(*unstructured.Unstructured)
			version = obj.GetResourceVersion()
			f.put(key, obj)
		} else if apierrors.IsNotFound(err) {
			f.put(key, nil)
		}
	}
}

func (f *follower) events(ctx context.Context, w watch.Interface, key object.Key) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.ResultChan():
			obj, isObject := event.Object.(*unstructured.Unstructured)
			switch {
			case !ok || event.Type == watch.Error || !isObject:
				return
			case event.Type == watch.Deleted:
				f.put(key, nil)
			case event.Type != watch.Bookmark:
				f.put(key, obj)
			}
		}
	}
}

func (f *follower) put(key object.Key, obj *unstructured.Unstructured) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[key] = obj
	close(f.changed)
	f.changed = make(chan struct{})
}

// Health answers from what the watches told.
func (f *follower) Health(_ context.Context, ask Ask) (Verdict, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var waiting, failed []string
	for _, ref := range ask.Objects {
		result := f.of(ref.Key, ask)
		text := result.Said(ref.String())
		switch result.Status {
		case health.Current:
		case health.Failed:
			failed = append(failed, text)
		default:
			waiting = append(waiting, text)
		}
	}
	return verdict(waiting, failed, ask.Hooks), f.changed, nil
}

// verdict folds what is awaited and what failed. For hooks a failure counts when
// nothing is awaited any more.
func verdict(waiting, failed []string, hooks bool) Verdict {
	if len(failed) > 0 && (!hooks || len(waiting) == 0) {
		return Verdict{Failed: true, Message: strings.Join(failed, ", ")}
	}
	return Verdict{Ready: len(waiting) == 0, Message: strings.Join(append(waiting, failed...), ", ")}
}

func (f *follower) of(key object.Key, ask Ask) health.Result {
	obj := f.objects[key]
	if obj == nil && f.jobsTTL[key] && key.GroupKind() == jobKind {
		return health.Result{Status: health.Current}
	}
	if obj != nil && ask.Hooks && key.GroupKind() == podKind {
		return health.Result{Status: phase(obj)}
	}
	return health.Of(obj, health.Rules{Custom: ask.Custom, Now: time.Now()})
}

// phase returns how a Pod that is a hook is: it must run to its end.
func phase(pod *unstructured.Unstructured) health.Status {
	switch phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase"); phase {
	case "Succeeded":
		return health.Current
	case "Failed":
		return health.Failed
	}
	return health.InProgress
}

// gone waits until an object does not exist. Another one of the same name, with
// another uid, is not waited for.
func gone(ctx context.Context, i *resource.Info) error {
	helper := resource.NewHelper(i.Client, i.Mapping)
	var first string
	for {
		now, err := helper.Get(i.Namespace, i.Name)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		obj := now.(*unstructured.Unstructured)
		if uid := string(obj.GetUID()); first != "" && uid != first {
			return nil
		} else {
			first = uid
		}
		if done, err := untilDeleted(ctx, helper, obj); done || err != nil {
			return err
		}
	}
}

// untilDeleted watches an object; done tells that it was seen to go.
func untilDeleted(ctx context.Context, helper *resource.Helper, obj *unstructured.Unstructured) (done bool, err error) {
	w, err := helper.WatchSingle(obj.GetNamespace(), obj.GetName(), obj.GetResourceVersion())
	if err != nil {
		return false, err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case event, ok := <-w.ResultChan():
			if !ok || event.Type == watch.Error {
				return false, doze(ctx)
			}
			if event.Type == watch.Deleted {
				return true, nil
			}
		}
	}
}

// doze lets a broken watch rest.
func doze(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}
