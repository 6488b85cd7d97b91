package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/gate"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// Approvals says which units wait for people. The zero value asks for nobody but
// where a unit's annotation does.
type Approvals struct {
	// Rules is the ConfigMap with the rules (gate.Rules) that hold for every
	// Kustomization and HelmRelease; zero is none.
	Rules object.Key
	// Seal, where it is set, has the engine note what each unit would become without
	// asking for anything: Digest returns it. A plan uses it.
	Seal *gate.Seal
}

// asking is a unit that wants to become something.
type asking struct {
	unit *unstructured.Unstructured
	view view
	now  time.Time
	// digest says what it would become.
	digest func(gate.Seal) (gate.Digest, error)
}

// approved returns nil if a unit may become what it wants to. It is asked before
// anything changes in the cluster, and anew in every run: the rules and the signed
// approvals are reads like others, so that their change brings the next run.
func (e *Engine) approved(ctx context.Context, a asking) error {
	key := object.KeyOf(a.unit)
	if seal := e.Options.Approvals.Seal; seal != nil {
		digest, err := a.digest(*seal)
		if err != nil {
			return report.Retry(report.ReasonApproval, err)
		}
		e.become(key, digest)
		return nil
	}
	rules := e.rulesFor(a.unit)
	if rules.IsZero() {
		return nil
	}
	data, err := a.configMap(ctx, rules)
	if err != nil {
		return err
	}
	line, seal, err := gate.ParseRules([]byte(data[gate.RulesKey]), a.now)
	if err != nil {
		return report.Wait(report.ReasonApproval, fmt.Errorf("%s: %w", rules, err), rules.String())
	}
	digest, err := a.digest(seal)
	if err != nil {
		return report.Retry(report.ReasonApproval, err)
	}
	statements := rules
	statements.Name += gate.StatementsSuffix
	signed, err := a.configMap(ctx, statements)
	if err != nil && !missing(err) {
		return err
	}
	if held := line.Holds(object.InventoryID(key), digest, texts(signed), a.now); held != nil {
		return report.Wait(report.ReasonApproval, held, statements.String())
	}
	return nil
}

// rulesFor finds the rules that a unit is under: those of the engine, which nobody
// changes through Git, before those that it names itself.
func (e *Engine) rulesFor(u *unstructured.Unstructured) object.Key {
	if rules := e.Options.Approvals.Rules; !rules.IsZero() {
		return rules
	}
	if name := u.GetAnnotations()[object.AnnotationApproval]; name != "" {
		return object.Key{Kind: "ConfigMap", Namespace: u.GetNamespace(), Name: name}
	}
	return object.Key{}
}

// configMap reads the texts of a ConfigMap.
func (a asking) configMap(ctx context.Context, key object.Key) (map[string]string, error) {
	obj, err := a.view.get(ctx, object.Ref{Key: key, Version: "v1"})
	if err != nil {
		return nil, report.Retry(report.ReasonApproval, err)
	}
	if obj == nil {
		return nil, report.Missing(report.ReasonApproval, fmt.Errorf("%s, which says whose approval is needed, does not exist", key), key.String())
	}
	data, _, err := unstructured.NestedStringMap(obj.Object, "data")
	if err != nil {
		return nil, report.Wait(report.ReasonApproval, fmt.Errorf("%s: %w", key, err), key.String())
	}
	return data, nil
}

func missing(err error) bool { return report.AsProblem(err, "").Missing }

func texts(data map[string]string) [][]byte {
	var out [][]byte
	for _, name := range slices.Sorted(maps.Keys(data)) {
		out = append(out, []byte(data[name]))
	}
	return out
}

func (e *Engine) become(key object.Key, digest gate.Digest) {
	m := e.memo(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	m.digest = digest
}

// Digest is what a unit would become, by its last run under Approvals.Seal.
func (e *Engine) Digest(key object.Key) gate.Digest {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m := e.memos[key]; m != nil {
		return m.digest
	}
	return ""
}

// becomes is the digest of what a Kustomization was built to, and in which cluster. Which
// kinds that cluster serves is not part of it: whoever approves may not know.
func (c *kustomizing) becomes(seal gate.Seal) (gate.Digest, error) {
	objs := make([]*unstructured.Unstructured, 0, len(c.written))
	for _, o := range c.written {
		obj, err := o.Decode()
		if err != nil {
			return "", err
		}
		objs = append(objs, obj)
	}
	digest, err := seal.Unit(objs)
	return digest.In(unit.Elsewhere(c.raw)), err
}

// becomes is the digest of what a HelmRelease is to be installed from: its spec, the
// bytes of its chart and its values. What templates make of them can depend on the
// cluster, and is not part of it.
func (r *releasing) becomes(seal gate.Seal) (gate.Digest, error) {
	spec, err := json.Marshal(r.raw.Object["spec"])
	if err != nil {
		return "", err
	}
	return seal.Parts(map[string]string{
		"spec": string(spec), "chart": r.chart.Name() + " " + r.chart.Metadata.Version + " " + r.packed, "values": r.req.Config,
	}), nil
}
