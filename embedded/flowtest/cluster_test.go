package flowtest

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world/cluster"
)

// patience is how long anything may take before a test fails.
const patience = time.Minute

// place is a local environment: a cluster of its own with an engine in it.
type place struct {
	*testing.T
	name  string
	c     *kubetest.Cluster
	world *cluster.World // of the person, not the engine
	dyn   dynamic.Interface
	said  bytes.Buffer // by the engine; read when it has ended
	stop  func()       // ends the engine and waits
}

// places starts a cluster for each name, all at once, and gives Ann a kubeconfig with
// contexts of these names. The engines are not started yet.
func places(o *organisation, names ...string) map[string]*place {
	o.Helper()
	all := make([]*place, len(names))
	var starting sync.WaitGroup
	for i, name := range names {
		all[i] = &place{T: o.T, name: name, stop: func() {}}
		starting.Go(func() {
			c, err := kubetest.New()
			if err != nil {
				o.Errorf("start the cluster %s: %v", name, err)
				return
			}
			all[i].c = c
			o.Cleanup(c.Stop)
		})
	}
	starting.Wait()
	if o.Failed() {
		o.FailNow()
	}
	out := map[string]*place{}
	contexts := clientcmdapi.NewConfig()
	for _, p := range all {
		p.connect(contexts)
		out[p.name] = p
	}
	file := filepath.Join(o.home, ".kube", "config")
	o.must(clientcmd.WriteToFile(*contexts, file))
	o.Setenv("KUBECONFIG", file)
	return out
}

// connect opens a cluster and adds it to a kubeconfig.
func (p *place) connect(contexts *clientcmdapi.Config) {
	p.Helper()
	var err error
	p.world, err = cluster.New(p.c.Config, cluster.Options{})
	p.must(err)
	p.dyn, err = dynamic.NewForConfig(p.c.Config)
	p.must(err)
	_, err = app.InstallDefinitions(p.Context(), p.world)
	p.must(err)
	own, err := clientcmd.LoadFromFile(p.c.Kubeconfig)
	p.must(err)
	one := own.Contexts[own.CurrentContext]
	contexts.Clusters[p.name], contexts.AuthInfos[p.name] = own.Clusters[one.Cluster], own.AuthInfos[one.AuthInfo]
	contexts.Contexts[p.name] = &clientcmdapi.Context{Cluster: p.name, AuthInfo: p.name}
}

// start runs an engine in the cluster until the test ends, or stop is called.
func (p *place) start(options ...func(*app.Config)) {
	p.Helper()
	cfg := app.Config{
		REST: p.c.Config, Options: engine.Options{SimulatedPods: true}, Applying: 4, Fetching: 4, DataDir: p.TempDir(),
		Log: slog.New(slog.NewTextHandler(&p.said, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	for _, set := range options {
		set(&cfg)
	}
	a, err := app.New(cfg)
	p.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.Errorf("the engine of %s ended: %v", p.name, err)
		}
		if p.Failed() {
			const enough = 6000
			p.Logf("last words of the engine of %s:\n%s", p.name, p.said.Bytes()[max(0, p.said.Len()-enough):])
		}
	})
	p.Cleanup(func() { p.stop() })
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatalf("%s: %v", p.name, err)
	}
}

// ref is an object as people write it: HelmRelease/keda/keda, Namespace/keda.
func (p *place) ref(name string) object.Key {
	parts := strings.Split(name, "/")
	key := object.Key{Group: groups[parts[0]], Kind: strings.TrimPrefix(parts[0], "helm.fluxcd.io."), Name: parts[len(parts)-1]}
	if len(parts) == 3 {
		key.Namespace = parts[1]
	}
	return key
}

// groups of the kinds that stories name.
var groups = map[string]string{
	"GitRepository": object.GroupSource, "helm.fluxcd.io.HelmRelease": "helm.fluxcd.io", "Kustomization": object.GroupKustomize, "DaemonSet": "apps", "Deployment": "apps", "HelmRelease": object.GroupHelm,
}

func (p *place) client(gvk schema.GroupVersionKind, namespace string) dynamic.ResourceInterface {
	p.Helper()
	p.world.Invalidate(gvk.Group)
	kind, err := p.world.Kind(p.Context(), gvk)
	p.must(err)
	r := p.dyn.Resource(kind.GVK.GroupVersion().WithResource(kind.Resource))
	if !kind.Namespaced {
		return r
	}
	return r.Namespace(namespace)
}

// apply makes objects from YAML, as whoever prepares a cluster does.
func (p *place) apply(texts ...string) {
	p.Helper()
	for _, text := range texts {
		for doc := range strings.SplitSeq(text, "\n---\n") {
			obj := &unstructured.Unstructured{}
			p.must(yaml.Unmarshal([]byte(doc), &obj.Object))
			gvk := obj.GroupVersionKind()
			_, err := p.client(gvk, obj.GetNamespace()).Apply(p.Context(), obj.GetName(), obj, metav1.ApplyOptions{FieldManager: "person", Force: true})
			p.must(err)
		}
	}
}

// await waits until an object is as it should be.
func (p *place) await(name string, ok func(*unstructured.Unstructured) bool) *unstructured.Unstructured {
	p.Helper()
	key := p.ref(name)
	return kubetest.AwaitObject(p, p.client(key.GroupKind().WithVersion(""), key.Namespace), key.Name, ok)
}

// told makes a unit look at once, as the receiver of a webhook does.
func (p *place) told(name string) {
	p.Helper()
	key := p.ref(name)
	patch := `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"` + time.Now().Format(time.RFC3339Nano) + `"}}}`
	_, err := p.client(key.GroupKind().WithVersion(""), key.Namespace).Patch(p.Context(), key.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "webhook"})
	p.must(err)
}

// runs waits until a unit runs a commit and is ready.
func (p *place) runs(name, commit string) {
	p.Helper()
	p.await(name, func(o *unstructured.Unstructured) bool {
		return strings.HasSuffix(field(o, "status", "lastAppliedRevision"), commit) && ready(o)
	})
}

func field(o *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(o.Object, path...)
	return text
}

// ready tells whether a unit is, under its present spec.
func ready(o *unstructured.Unstructured) bool {
	observed, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if c, is := c.(map[string]any); is && c["type"] == "Ready" {
			return c["status"] == "True" && observed == o.GetGeneration()
		}
	}
	return false
}

// shown is an object as YAML.
func shown(o *unstructured.Unstructured) string {
	b, err := yaml.Marshal(o.Object)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
