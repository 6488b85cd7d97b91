package helmtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/typed/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/helm"
	"github.com/leat-dev/leat/internal/inventory"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/world"
	"github.com/leat-dev/leat/internal/world/cluster"
	"github.com/leat-dev/leat/internal/world/memory"
)

const charts = "../../../shared/fleets/lsc-sde/charts"

// Every chart of the fleet is installed, upgraded, rolled back and uninstalled on
// the API server and in a world in memory, with the same records, inventories,
// objects and errors. What differs between two worlds in memory is random.
func TestOfflineEqualsServer(t *testing.T) {
	files, _ := filepath.Glob(charts + "/*/*.tgz")
	own, _ := filepath.Glob("../fleettest/testdata/charts/*/Chart.yaml")
	if len(files) == 0 {
		t.Logf("no charts in %s: only those of testdata are tried", charts)
	}
	for i, file := range append(files, own...) {
		if testing.Short() && i%4 != 0 {
			continue
		}
		c := load(t, file)
		t.Run(c.Name()+"-"+c.Metadata.Version, func(t *testing.T) {
			same(t, c, nil)
			same(t, c, map[string]any{"replicaCount": "many", "image": 7, "global": []any{}}) // most charts cannot use these
		})
	}
}

func load(t *testing.T, file string) *helmchart.Chart {
	t.Helper()
	var c *helmchart.Chart
	data, err := os.ReadFile(file)
	if err == nil && strings.HasSuffix(file, ".tgz") {
		c, err = chart.Load(data, chart.Limits{})
	} else if err == nil {
		c, err = loader.Load(filepath.Dir(file))
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares what becomes of a chart with values.
func same(t *testing.T, c *helmchart.Chart, values map[string]any) {
	t.Helper()
	real := parity{newStand(t, server, c), nil}
	connected, err := cluster.New(real.config, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	real.world = connected
	want := real.play(values)
	real.deleteCRDs()
	got, again := inWorld(t, &real, c).play(values), inWorld(t, &real, c).play(values)
	if len(got) != len(want) || len(again) != len(got) {
		t.Errorf("offline tells %d things, the server %d", len(got), len(want))
	}
	for i := range min(len(got), len(want), len(again)) {
		if got[i] == again[i] && got[i] != want[i] {
			t.Errorf("offline\n%s\nserver\n%s", got[i], want[i])
			return
		}
	}
}

// deleteCRDs deletes the definitions of a chart: they stay, with the names of the
// release.
func (p *parity) deleteCRDs() {
	p.Helper()
	for _, crd := range p.job.Chart.CRDObjects() {
		for _, doc := range strings.Split(string(crd.File.Data), "\n---") {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), u); err == nil && u.GetName() != "" {
				p.deleteCRD(u.GetName())
			}
		}
	}
}

// parity plays a chart in one place.
type parity struct {
	*stand
	world world.World
}

func inWorld(t *testing.T, like *parity, c *helmchart.Chart) *parity {
	t.Helper()
	w := memory.New(memory.Options{})
	config, driver := offline(t, w)
	driver.Cache(&renders)
	s := &stand{TB: t, ctx: t.Context(), config: config, cluster: driver, driver: driver.As(helm.Identity{}), kube: kubernetes.NewForConfigOrDie(config)}
	s.ns = s.namespaceOf(like.ns)
	s.job = helm.Job{Object: like.job.Object.DeepCopy(), Chart: c}
	return &parity{s, w}
}

// play returns lines that tell of everything that was done.
func (p *parity) play(values map[string]any) []string {
	p.Helper()
	p.job.Object.Spec.Timeout = &metav1.Duration{Duration: time.Minute}
	p.job.Object.Spec.Install, p.job.Object.Spec.Upgrade = &v2.Install{DisableWait: true}, &v2.Upgrade{DisableWait: true}
	p.job.Object.Spec.Rollback, p.job.Object.Spec.Uninstall = &v2.Rollback{DisableWait: true}, &v2.Uninstall{DisableWait: true}
	p.job.Values = values
	var lines []string
	out, err := p.driver.Install(p.ctx, p.job)
	lines = append(lines, p.tell("install", out, err)...)
	p.job.Values = map[string]any{"nameOverride": "other"}
	out, err = p.driver.Upgrade(p.ctx, p.job)
	lines = append(lines, p.tell("upgrade", out, err)...)
	out, err = p.driver.Rollback(p.ctx, p.job, 1)
	lines = append(lines, p.tell("rollback", out, err)...)
	p.openCRDs()
	out, err = p.driver.Uninstall(p.ctx, p.job, helm.PlaceOf(p.job.Object))
	p.awaitCRDs()
	return append(lines, p.tell("uninstall", out, err)...)
}

// definitions are those on the server; a world in memory deletes them at once and
// has none to wait for.
func (p *parity) definitions() []apiextensionsv1.CustomResourceDefinition {
	p.Helper()
	if p.config.Transport != nil {
		return nil
	}
	all, err := p.crds().CustomResourceDefinitions().List(p.ctx, metav1.ListOptions{})
	if err != nil {
		p.Fatal(err)
	}
	return all.Items
}

func (p *parity) crds() apiextensionsclient.ApiextensionsV1Interface {
	p.Helper()
	client, err := apiextensions.NewForConfig(p.config)
	if err != nil {
		p.Fatal(err)
	}
	return client.ApiextensionsV1()
}

// openCRDs reads the instances of every definition once. The server opens a kind's
// storage with its first request; where that is the one that deletes the definition
// it fails, and is tried again after minutes.
func (p *parity) openCRDs() {
	p.Helper()
	for _, crd := range p.definitions() {
		kind := schema.GroupVersionResource{Group: crd.Spec.Group, Version: crd.Spec.Versions[0].Name, Resource: crd.Spec.Names.Plural}
		if _, err := dynamic.NewForConfigOrDie(p.config).Resource(kind).List(p.ctx, metav1.ListOptions{}); err != nil {
			p.Fatal(err)
		}
	}
}

// awaitCRDs waits until no definition is being deleted any more: who installs the
// next chart would take one that goes for one that is there.
func (p *parity) awaitCRDs() {
	p.Helper()
	for _, crd := range p.definitions() {
		if crd.DeletionTimestamp != nil {
			kubetest.AwaitGone[apiextensionsv1.CustomResourceDefinition](p.TB, p.crds().RESTClient(), "customresourcedefinitions", "", crd.Name)
		}
	}
}

// tell returns what an action did: its error, the records and the inventory that
// it wrote, and the objects as they are now.
func (p *parity) tell(action string, out helm.Outcome, err error) []string {
	p.Helper()
	lines := []string{action + " went well"}
	if err != nil {
		lines[0] = action + " " + sorted(err.Error())
	}
	for _, rel := range out.Written {
		lines = append(lines, record(p.TB, rel)...)
	}
	if out.Inventory == nil || action == "uninstall" { // a server takes its time to delete
		return lines
	}
	var entries []inventory.Entry
	for _, e := range out.Inventory.Entries {
		lines = append(lines, e.ID+" "+e.Version)
		entries = append(entries, inventory.Entry{ID: e.ID, Version: e.Version})
	}
	refs, err := inventory.Decode(entries)
	if err != nil {
		p.Fatal(err)
	}
	for _, ref := range refs {
		lines = append(lines, p.object(ref)...)
	}
	return lines
}

// why is what worlds word differently: why a field must not change.
var why = regexp.MustCompile(` is invalid: spec[:.][^&]*(immutable|forbidden)`)

// quoted are names in a row, as a schema lists the properties that it does not allow.
var quoted = regexp.MustCompile(`'[^']*'(, '[^']*')+`)

// sorted is the text of an error with its parts, which come in any order, in order.
func sorted(text string) string {
	text = quoted.ReplaceAllStringFunc(why.ReplaceAllString(text, " must not change"), func(names string) string {
		list := strings.Split(names, ", ")
		slices.Sort(list)
		return strings.Join(list, " ")
	})
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("&\n,", r) })
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), "\n")
}

// record returns the lines of a release but for its times.
func record(t testing.TB, rel *relv1.Release) []string {
	t.Helper()
	text, err := json.Marshal(rel)
	if err != nil {
		t.Fatal(err)
	}
	u := map[string]any{}
	if err := json.Unmarshal(text, &u); err != nil {
		t.Fatal(err)
	}
	_ = unstructured.SetNestedField(u, sorted(rel.Info.Description), "info", "description")
	for _, field := range []string{"first_deployed", "last_deployed", "deleted"} {
		unstructured.RemoveNestedField(u, "info", field)
	}
	hooks, _, _ := unstructured.NestedSlice(u, "hooks")
	for _, h := range hooks {
		for _, field := range []string{"started_at", "completed_at"} {
			unstructured.RemoveNestedField(h.(map[string]any), "last_run", field)
		}
	}
	if len(hooks) > 0 {
		u["hooks"] = hooks
	}
	return linesOf(t, u)
}

// object returns what Helm owns of an object, and what else it was given.
func (p *parity) object(ref object.Ref) []string {
	p.Helper()
	u, err := p.world.Get(p.ctx, ref)
	if err != nil {
		return []string{fmt.Sprint(ref, " ", err)}
	}
	owned := map[string]any{}
	for _, e := range u.GetManagedFields() {
		if e.Manager == object.ManagerHelm && e.Subresource == "" {
			if err := json.Unmarshal(e.FieldsV1.Raw, &owned); err != nil {
				p.Fatal(err)
			}
		}
	}
	return append([]string{ref.String()}, linesOf(p.TB, chosen(u.Object, owned).(map[string]any))...)
}

// chosen returns the part of a value that a set of fields names: f: a field, k: an
// item of a list, by what keys it, v: an item of a set.
func chosen(v any, fields map[string]any) any {
	if len(fields) == 0 {
		return v
	}
	m, isMap := v.(map[string]any)
	if !isMap {
		return items(v, fields)
	}
	out := map[string]any{}
	for name, sub := range fields {
		if field, found := strings.CutPrefix(name, "f:"); found {
			if value, there := m[field]; there {
				out[field] = chosen(value, sub.(map[string]any))
			} else {
				out[field] = "is missing"
			}
		}
	}
	return out
}

func items(v any, fields map[string]any) any {
	list, isList := v.([]any)
	if !isList {
		return v
	}
	out := map[string]any{}
	for name, sub := range fields {
		text, found := strings.CutPrefix(name, "k:")
		key := map[string]any{}
		if !found || json.Unmarshal([]byte(text), &key) != nil {
			out[name] = true
			continue
		}
		for _, item := range list {
			if m, ok := item.(map[string]any); ok && keyed(m, key) {
				out[name] = chosen(m, sub.(map[string]any))
			}
		}
	}
	return out
}

func keyed(item, key map[string]any) bool {
	for k, v := range key {
		if fmt.Sprint(item[k]) != fmt.Sprint(v) {
			return false
		}
	}
	return true
}

func linesOf(t testing.TB, v map[string]any) []string {
	t.Helper()
	text, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(text)))
}

// What templates see of a world in memory is what they see of the server.
func TestCapabilitiesOffline(t *testing.T) {
	c := chartOf("1.0.0", map[string]string{"templates/a.yaml": configMap("a", `{{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions | join " " }}`)})
	see := func(on place) []string {
		s := newStand(t, on, c)
		s.must(s.driver.Install(s.ctx, s.job))
		return strings.Fields(s.value("a"))
	}
	want, got := see(server), see(inMemory)
	defined := definedGroups(t) // by tests before this one
	if want[0] != got[0] {
		t.Errorf("offline is Kubernetes %s, the server %s", got[0], want[0])
	}
	slices.Sort(want) // the server's come in no order
	slices.Sort(got)
	for _, api := range slices.Concat(want, got) {
		group, _, _ := strings.Cut(api, "/")
		if slices.Contains(want, api) != slices.Contains(got, api) && !defined[group] {
			t.Errorf("%s: in one only", api)
		}
	}
}

// definedGroups are those of the definitions on the server.
func definedGroups(t *testing.T) map[string]bool {
	t.Helper()
	client, err := apiextensions.NewForConfig(kubetest.Shared(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.ApiextensionsV1().CustomResourceDefinitions().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]bool{}
	for _, crd := range all.Items {
		groups[crd.Spec.Group] = true
	}
	return groups
}
