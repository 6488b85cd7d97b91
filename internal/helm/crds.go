package helm

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	helmkube "helm.sh/helm/v4/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
)

// crdTimeout bounds the wait until the server serves a chart's CRDs.
const crdTimeout = 60 * time.Second

// Bounds of the rests until discovery knows a definition that is established.
const (
	minDiscovery = 20 * time.Millisecond
	maxDiscovery = 2 * time.Second
)

// applyCRDs brings the chart's crds folders into the cluster: Create, the
// default for installs and upgrades alike, never changes what exists;
// CreateReplace applies them; neither deletes any (helm-controller v1.6.4
// internal/action/crds.go).
func (r *run) applyCRDs(conf *action.Configuration, policy v2.CRDsPolicy) error {
	if policy == v2.Skip || len(r.job.Chart.CRDObjects()) == 0 {
		return nil
	}
	if policy != "" && policy != v2.Create && policy != v2.CreateReplace {
		return fmt.Errorf("apply CRDs: invalid policy %q; use Skip, Create or CreateReplace", policy)
	}
	crds, err := r.crds(conf)
	if err != nil {
		return fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
	}
	applied, err := r.bring(crds, policy)
	if err != nil {
		return fmt.Errorf("failed to apply CustomResourceDefinitions: %w", err)
	}
	if len(applied) == 0 {
		return nil
	}
	// Also with disableWait: what the chart holds next may be of these kinds.
	wait := &waiter{run: r, strategy: helmkube.StatusWatcherStrategy, alone: true}
	if err := wait.Wait(applied, crdTimeout); err != nil {
		return fmt.Errorf("failed to wait for CustomResourceDefinition(s): %w", err)
	}
	if err := r.served(applied); err != nil {
		return err
	}
	// What templates see includes what was just defined.
	conf.Capabilities, err = r.cluster.kinds.capabilities()
	return err
}

// served returns when discovery knows the kinds of definitions. It follows them
// by some milliseconds, and cannot be watched; a kind that does not come in time
// is told of by whoever needs it.
func (r *run) served(crds helmkube.ResourceList) error {
	for rest := minDiscovery; ; rest *= 2 {
		r.cluster.Invalidate()
		known := func(i *resource.Info) bool {
			obj := i.Object.(*unstructured.Unstructured)
			group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(obj.Object, "spec", "names", "kind")
			return r.cluster.kinds.serves(schema.GroupKind{Group: group, Kind: kind})
		}
		if len(crds.Filter(known)) == len(crds) || rest > maxDiscovery {
			return nil
		}
		select {
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-time.After(rest):
		}
	}
}

// crds returns the definitions of the chart and of the subcharts that are on,
// with the labels of their origin.
func (r *run) crds(conf *action.Configuration) (helmkube.ResourceList, error) {
	files, err := r.definitions()
	if err != nil {
		return nil, err
	}
	var out helmkube.ResourceList
	for _, file := range files {
		list, err := conf.KubeClient.Build(bytes.NewReader(file.File.Data), false)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Filename, err)
		}
		for _, i := range list {
			gvk := i.Mapping.GroupVersionKind
			if gvk.Group != "apiextensions.k8s.io" || gvk.Kind != "CustomResourceDefinition" {
				r.notes = append(r.notes, fmt.Sprintf("ignored %s in %s: only CustomResourceDefinitions belong into crds, move it to templates", refOf(i), file.Filename))
				continue
			}
			label(i.Object.(*unstructured.Unstructured), r.origin())
			out = append(out, i)
		}
	}
	return out, nil
}

// definitions are the files of the crds folders of the job's chart and of the
// subcharts that its values switch on.
func (r *run) definitions() ([]chart.CRD, error) {
	if r.job.Chart == nil || len(r.job.Chart.CRDObjects()) == 0 {
		return nil, nil
	}
	c := r.chart()
	if err := util.ProcessDependencies(c, release.CopyValues(r.job.Values)); err != nil {
		return nil, fmt.Errorf("process chart dependencies: %w", err)
	}
	return c.CRDObjects(), nil
}

// origin are the labels that every object of a release has.
func (r *run) origin() map[string]string {
	return map[string]string{object.GroupHelm + "/name": r.job.Object.Name, object.GroupHelm + "/namespace": r.job.Object.Namespace}
}

func label(obj *unstructured.Unstructured, labels map[string]string) {
	all := map[string]string{}
	maps.Copy(all, obj.GetLabels())
	maps.Copy(all, labels)
	obj.SetLabels(all)
}

// bring creates definitions, or applies them, and returns those it touched. All
// refusals are told at once.
func (r *run) bring(crds helmkube.ResourceList, policy v2.CRDsPolicy) (helmkube.ResourceList, error) {
	var applied helmkube.ResourceList
	var errs []error
	for _, i := range crds {
		helper := resource.NewHelper(i.Client, i.Mapping).WithFieldManager(object.ManagerHelm)
		var now runtime.Object
		var err error
		if policy == v2.CreateReplace {
			now, err = r.replace(helper, i)
		} else {
			now, err = create(helper, i)
		}
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", refOf(i), err))
		case now != nil:
			errs = append(errs, i.Refresh(now, true))
			applied = append(applied, i)
		}
	}
	return applied, errors.Join(errs...)
}

// create makes a definition unless it exists; nil then. Helm applies here, which
// would change it.
func create(helper *resource.Helper, i *resource.Info) (runtime.Object, error) {
	now, err := helper.Create(i.Namespace, true, i.Object)
	if apierrors.IsAlreadyExists(err) {
		return nil, nil
	}
	return now, err
}

// replace applies a definition server-side, or, for releases that are applied
// client-side, puts it in the place of what exists.
func (r *run) replace(helper *resource.Helper, i *resource.Info) (runtime.Object, error) {
	if !r.serverSide {
		now, err := create(helper, i)
		if now != nil || err != nil {
			return now, err
		}
		return helper.Replace(i.Namespace, i.Name, true, i.Object)
	}
	data, err := runtime.Encode(unstructured.UnstructuredJSONScheme, i.Object)
	if err != nil {
		return nil, err
	}
	force := true
	return helper.Patch(i.Namespace, i.Name, types.ApplyPatchType, data, &metav1.PatchOptions{Force: &force})
}
