package helm

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"maps"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/leat-dev/leat/internal/isolate"
)

// RenderName is the name of RenderWork in children.
const RenderName = "render chart"

// RenderWork is an isolate.Work: it renders the templates of a chart. Errors are
// worded by Helm.
func RenderWork(input []byte, ask isolate.Ask) ([]byte, error) {
	var o order
	if err := gob.NewDecoder(bytes.NewReader(input)).Decode(&o); err != nil {
		return nil, fmt.Errorf("read chart to render: %w", err)
	}
	result, err := o.render(context.Background(), ask)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, text := range result.Files {
		if size += len(text); size > maxRendered {
			return nil, fmt.Errorf("the chart rendered more than %d bytes", maxRendered)
		}
	}
	var out bytes.Buffer
	err = gob.NewEncoder(&out).Encode(result)
	return out.Bytes(), err
}

func (o order) encode() ([]byte, error) {
	var out bytes.Buffer
	err := gob.NewEncoder(&out).Encode(o)
	return out.Bytes(), err
}

// render renders a chart in this process until ctx ends.
func (o order) render(ctx context.Context, ask isolate.Ask) (made, error) {
	c, err := o.Chart.chart()
	if err != nil {
		return made{}, err
	}
	values, err := unpack(o.Values)
	if err != nil {
		return made{}, err
	}
	release, err := unpack(o.Release)
	if err != nil {
		return made{}, err
	}
	r := &run{ctx: ctx}
	r.guard = newGuard(r)
	funcs := r.functions()
	maps.Copy(funcs, r.guard.watched(looking(ask)))
	files, err := engine.Engine{CustomTemplateFuncs: funcs, EnableDNS: o.DNS}.Render(r.guard.protect(c), common.Values{
		"Values": values, "Release": release,
		"Capabilities": &common.Capabilities{
			KubeVersion: o.Kube, APIVersions: o.APIs, HelmVersion: common.DefaultCapabilities.HelmVersion,
		},
	})
	return made{files, r.guard.varied.Load()}, err
}

func (o orderedChart) chart() (*chart.Chart, error) {
	c := &chart.Chart{}
	if err := json.Unmarshal(o.Metadata, &c.Metadata); err != nil {
		return nil, fmt.Errorf("read chart to render: %w", err)
	}
	for _, f := range o.Templates {
		c.Templates = append(c.Templates, &common.File{Name: f.Name, Data: f.Data})
	}
	for _, f := range o.Files {
		c.Files = append(c.Files, &common.File{Name: f.Name, Data: f.Data})
	}
	for _, sub := range o.Charts {
		s, err := sub.chart()
		if err != nil {
			return nil, err
		}
		c.AddDependency(s)
	}
	return c, nil
}

// looking is the function lookup, answered by the parent.
func looking(ask isolate.Ask) any {
	return func(apiVersion, kind, namespace, name string) (map[string]any, error) {
		q, err := json.Marshal(question{apiVersion, kind, namespace, name})
		if err != nil {
			return map[string]any{}, err
		}
		answer, err := ask(q)
		if err != nil {
			return map[string]any{}, err
		}
		found, err := unpack(answer)
		if err != nil {
			return map[string]any{}, err
		}
		return found.(map[string]any), nil
	}
}
