package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/apply"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/unit"
	"github.com/leat-dev/leat/internal/world"
)

// Where a unit works is a Site: the engine's own cluster, or with spec.kubeConfig
// another one. Everything that becomes of the unit happens there; what it is made
// of (source, dependencies, values, variables, the kubeconfig itself) is read here.

// Site is a cluster that units work in.
type Site struct {
	// ID tells other clusters apart in subjects; empty is the engine's own.
	ID    string
	World world.World
	// Live, Rehearse, Helm, Feed and Stored are what they are in Engine and Options.
	Live     apply.Live
	Rehearse func(object.Ref) bool
	Helm     Helm
	Feed     *Feed
	Stored   Stored
	// State returns whether the cluster has been asked, and why it does not answer;
	// nil is a cluster that answers. Its change moves ReachSubject(ID).
	State func() (asked bool, err error)
	// Hold keeps the connection until the returned function is called; nil needs none.
	Hold func() (release func())
}

// hold keeps the connection to the site.
func (s *Site) hold() (release func()) {
	if s.Hold == nil {
		return func() {}
	}
	return s.Hold()
}

// foreign tells whether the site is another cluster.
func (s *Site) foreign() bool { return s.ID != "" }

// Remotes connects units to other clusters. Units with the same address share
// what is there.
type Remotes interface {
	// Use returns the cluster at an address, for a unit, which leaves any other. It
	// asks the cluster nothing; the error is about the address.
	Use(unit object.Key, at Address) (*Site, error)
	// Leave ends the use by a unit.
	Leave(unit object.Key)
}

// Address leads to a cluster: by a kubeconfig, or as a workload.
type Address struct {
	// Name is that of what leads there (unit.Elsewhere): of units of one cluster it
	// may differ, and what it leads to may change.
	Name       string
	Kubeconfig secret.Value
	Workload   *Workload
}

// Workload is how a ServiceAccount of this cluster presents itself to another one.
type Workload struct {
	Server    string // https://host:port
	CA        string // PEM; empty trusts what the system trusts
	Audiences []string
	// Namespace and Account name the ServiceAccount; empty are that of the process.
	Namespace, Account string
	// Named tells that the ServiceAccount was chosen, and is not the engine's own.
	Named bool
}

// ReachSubject names whether a cluster answers.
func ReachSubject(site string) string { return At(site, "reach") }

// At names a subject in another cluster; in the engine's own it is the subject.
func At(site, subject string) string {
	if site == "" {
		return subject
	}
	return "at " + site + " " + subject
}

// SiteOf reads what At writes.
func SiteOf(subject string) (site, rest string) {
	after, foreign := strings.CutPrefix(subject, "at ")
	if !foreign {
		return "", subject
	}
	site, rest, _ = strings.Cut(after, " ")
	return site, rest
}

// abode is a unit that asks for its site.
type abode struct {
	unit   object.Key
	spec   *meta.KubeConfigReference
	reason string // of what goes wrong
	view   view
}

// here is the engine's own cluster.
func (e *Engine) here(w world.World) *Site {
	return &Site{World: w, Live: e.Live, Rehearse: e.Options.Rehearse, Helm: e.Helm, Feed: e.feed, Stored: e.Stored}
}

// site returns where a unit works. An error ends the run; the kubeconfig's change,
// or the cluster's, brings the next one.
func (e *Engine) site(ctx context.Context, a abode) (*Site, error) {
	if a.spec == nil {
		e.stay(a.unit)
		return e.here(a.view.world), nil
	}
	if e.Remotes == nil {
		return nil, report.Stall(report.ReasonUnsupported, errors.New("spec.kubeConfig: this engine works in its own cluster only"))
	}
	from := referee(a.unit.Namespace, a.spec)
	at, err := e.address(ctx, a, from)
	if err != nil {
		e.Remotes.Leave(a.unit)
		return nil, err
	}
	at.Name = unit.AbodeOf(a.unit.Namespace, a.spec)
	s, err := e.Remotes.Use(a.unit, at)
	if err != nil {
		e.Remotes.Leave(a.unit)
		return nil, report.Wait(a.reason, fmt.Errorf("spec.kubeConfig: %s: %w", from, err), from.String())
	}
	e.memo(a.unit).moveTo(s.ID)
	a.view.subject(ReachSubject(s.ID))
	switch asked, err := s.State(); {
	case !asked:
		return nil, report.Progress("Connecting to the cluster of "+from.String(), from.String())
	case err != nil:
		return nil, report.RetryOn(a.reason, fmt.Errorf("spec.kubeConfig: %s: %w", from, err), from.String())
	}
	return s, nil
}

// stay gives up the other cluster that a unit worked in.
func (e *Engine) stay(unit object.Key) {
	if m := e.memo(unit); m.at != "" && e.Remotes != nil {
		e.Remotes.Leave(unit)
		m.moveTo("")
	}
}

// moveTo forgets what was found out about another cluster.
func (m *memo) moveTo(site string) {
	if m.at == site {
		return
	}
	m.at, m.marks, m.swept, m.settled, m.compared, m.drift = site, nil, false, "", "", nil
}

// referee is the object that a spec.kubeConfig names.
func referee(namespace string, spec *meta.KubeConfigReference) object.Key {
	switch {
	case spec.SecretRef != nil:
		return object.Key{Kind: "Secret", Namespace: namespace, Name: spec.SecretRef.Name}
	case spec.ConfigMapRef != nil:
		return object.Key{Kind: "ConfigMap", Namespace: namespace, Name: spec.ConfigMapRef.Name}
	}
	return object.Key{}
}

// address reads where the cluster of a unit is.
func (e *Engine) address(ctx context.Context, a abode, from object.Key) (Address, error) {
	if from.Name == "" || a.spec.SecretRef != nil && a.spec.ConfigMapRef != nil {
		return Address{}, report.Stall(report.ReasonInvalidSpec, errors.New("exactly one of spec.kubeConfig.configMapRef or spec.kubeConfig.secretRef must be specified"))
	}
	obj, err := a.view.get(ctx, object.Ref{Key: from, Version: "v1"})
	if err != nil {
		return Address{}, report.Retry(a.reason, fmt.Errorf("spec.kubeConfig: %w", err))
	}
	if obj == nil {
		return Address{}, report.Missing(a.reason, fmt.Errorf("spec.kubeConfig: %s not found", from), from.String())
	}
	data, err := textData(obj)
	if err == nil && from.Kind == "Secret" {
		return kubeconfigIn(data, a, from)
	}
	var w *Workload
	if err == nil {
		w, err = e.workload(data, a.unit)
	}
	if err != nil {
		return Address{}, report.Wait(a.reason, fmt.Errorf("spec.kubeConfig: %s: %w", from, err), from.String())
	}
	return Address{Workload: w}, nil
}

// kubeconfigIn takes the kubeconfig out of a Secret: of the key that is named, else
// of «value», else of «value.yaml» (fluxcd/pkg/runtime v0.110 client/impersonator.go).
func kubeconfigIn(data map[string]string, a abode, from object.Key) (Address, error) {
	keys := []string{"value", "value.yaml"}
	if named := a.spec.SecretRef.Key; named != "" {
		keys = []string{named}
	}
	for _, key := range keys {
		if text, there := data[key]; there {
			return Address{Kubeconfig: secret.Of(text)}, nil
		}
	}
	return Address{}, report.Wait(a.reason, fmt.Errorf("spec.kubeConfig: %s does not contain a '%s' key with a kubeconfig", from, keys[0]), from.String())
}

// workload reads the data of a ConfigMap for a cluster that trusts this one's
// ServiceAccounts (fluxcd/pkg/auth v0.54 generic/provider.go, restconfig.go).
func (e *Engine) workload(data map[string]string, of object.Key) (*Workload, error) {
	switch p := data[meta.KubeConfigKeyProvider]; p {
	case "generic":
	case "aws", "azure", "gcp":
		return nil, fmt.Errorf("provider %q is not supported yet; use provider generic, or spec.kubeConfig.secretRef", p)
	default:
		return nil, fmt.Errorf("provider %q: want generic", p)
	}
	server, err := serverAddress(data[meta.KubeConfigKeyAddress])
	if err != nil {
		return nil, err
	}
	w := &Workload{Server: server, CA: data[meta.KubeConfigKeyCACert], Named: true, Namespace: of.Namespace}
	w.Account = cmp.Or(data[meta.KubeConfigKeyServiceAccountName], e.Options.DefaultKubeConfigAccount)
	if w.Account == "" {
		own := e.Options.Acting.Kustomize
		if of.Kind == unit.HelmReleaseKind {
			own = e.Options.Acting.Helm
		}
		w.Named = false
		w.Namespace, w.Account, _ = own.Account()
	}
	for line := range strings.SplitSeq(data[meta.KubeConfigKeyAudiences], "\n") {
		if line = strings.TrimSpace(line); line != "" {
			w.Audiences = append(w.Audiences, line)
		}
	}
	if len(w.Audiences) == 0 {
		w.Audiences = []string{data[meta.KubeConfigKeyAddress]}
	}
	return w, nil
}

// serverAddress returns the address of an API server as https://host:port.
func serverAddress(text string) (string, error) {
	if text == "" {
		return "", errors.New("address is missing: want https://host:port")
	}
	if !strings.HasPrefix(text, "http") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", errors.New("address: want https://host:port")
	}
	if u.Port() == "" {
		u.Host += ":443"
	}
	return "https://" + strings.ToLower(u.Host), nil
}
