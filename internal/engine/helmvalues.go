package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/release"
	"github.com/leat-dev/leat/internal/report"
)

// compose makes the values that the chart gets: of valuesFrom, in order, and of
// the spec.
func (r *releasing) compose(ctx context.Context) error {
	found, err := r.referenced(ctx)
	if err != nil {
		return err
	}
	lookup := func(kind, name string) (map[string][]byte, bool) {
		data, ok := found[object.Key{Kind: kind, Namespace: r.h.Namespace, Name: name}]
		return data, ok
	}
	r.hidden = release.Sensitive(r.h.Spec.ValuesFrom, lookup)
	r.values, err = release.Compose(r.h.GetValues(), r.h.Spec.ValuesFrom, lookup)
	var bad *release.ValuesError
	if errors.As(err, &bad) {
		bad.Namespace = r.h.Namespace
	}
	switch {
	case err == nil:
		return nil
	case bad != nil && bad.Missing:
		on := object.Key{Kind: bad.Kind, Namespace: r.h.Namespace, Name: bad.Name}
		if _, there := found[on]; !there {
			return report.Missing(report.ReasonValues, err, on.String())
		}
		return report.Wait(report.ReasonValues, err, on.String())
	case bad != nil && bad.Name != "":
		return report.Wait(report.ReasonValues, err, object.Key{Kind: bad.Kind, Namespace: r.h.Namespace, Name: bad.Name}.String())
	default:
		return report.Stall(report.ReasonValues, err)
	}
}

// referenced reads the objects of valuesFrom. What is missing is left out, and
// its coming brings the next run.
func (r *releasing) referenced(ctx context.Context) (map[object.Key]map[string][]byte, error) {
	out := map[object.Key]map[string][]byte{}
	for _, from := range r.h.Spec.ValuesFrom {
		key := object.Key{Kind: from.Kind, Namespace: r.h.Namespace, Name: from.Name}
		if key.Kind != "Secret" && key.Kind != "ConfigMap" {
			return nil, report.Stall(report.ReasonValues, fmt.Errorf("spec.valuesFrom: kind %q of %q; want ConfigMap or Secret", from.Kind, from.Name))
		}
		if _, read := out[key]; read {
			continue
		}
		obj, err := r.view.get(ctx, object.Ref{Key: key, Version: "v1"})
		if err != nil {
			return nil, report.Retry(report.ReasonValues, err)
		}
		if obj == nil {
			continue
		}
		text, err := textData(obj)
		if err != nil {
			return nil, report.Wait(report.ReasonValues, err, key.String())
		}
		data := make(map[string][]byte, len(text))
		for name, value := range text {
			data[name] = []byte(value)
		}
		out[key] = data
	}
	return out, nil
}
