package main

import (
	"reflect"
	"slices"
	"time"

	"github.com/leat-dev/leat/bench/kube"
)

// Result is one measured row. Times are in seconds, memory in MiB; a zero is
// what does not apply.
type Result struct {
	Row string `json:"row"`
	N   int    `json:"n,omitempty"`

	Wall   float64 `json:"wall"` // until the last unit was Ready
	P50    float64 `json:"p50,omitempty"`
	P95    float64 `json:"p95,omitempty"`
	Apply  float64 `json:"apply,omitempty"`  // until the harness had applied the objects
	Source float64 `json:"source,omitempty"` // until the last source was Ready
	Object float64 `json:"object,omitempty"` // until the changed, or the last, Deployment was seen

	Requests   int                `json:"requests"` // to the API server, without the harness's own
	EngineCPU  float64            `json:"engineCPU"`
	EnginePeak float64            `json:"enginePeak"`
	HarnessCPU float64            `json:"harnessCPU"`
	Rate       float64            `json:"rate,omitempty"` // requests a second, of the row ceiling
	Engines    map[string]Process `json:"engines,omitempty"`

	ControlPlane Process      `json:"controlPlane"`
	Git          Git          `json:"git"`
	Verbs        []kube.Named `json:"verbs,omitempty"`
	Top          []kube.Named `json:"top,omitempty"`
	Failed       []kube.Named `json:"failed,omitempty"`
	Drifts       []Drift      `json:"drifts,omitempty"`
	Steady       *Steady      `json:"steady,omitempty"`
}

// Process is what one process has used: CPU seconds in the row, and its largest
// and present resident set.
type Process struct {
	CPU  float64 `json:"cpu"`
	Peak float64 `json:"peak"`
	Now  float64 `json:"now,omitempty"`
}

// Git is what was asked of the Git server, and the CPU seconds of its binary.
type Git struct {
	Refs  int     `json:"refs"`
	Packs int     `json:"packs"`
	KiB   int64   `json:"kib"`
	CPU   float64 `json:"cpu"`
}

// Drift is one drift and how long it stayed.
type Drift struct {
	Name      string  `json:"name"`
	Seconds   float64 `json:"seconds"`
	Corrected bool    `json:"corrected"`
}

// Steady is the steady state a minute: what the engine uses, what the control
// plane serves above the same without an engine, and that itself.
type Steady struct {
	EngineCPU    float64 `json:"engineCPU"`
	Requests     float64 `json:"requests"`
	IdleRequests float64 `json:"idleRequests"`
	ServerCPU    float64 `json:"serverCPU"`
	IdleCPU      float64 `json:"idleCPU"`
}

// times fills in the times of a row from those of its units, sorted or not.
func (r *Result) times(took []time.Duration) {
	took = slices.Sorted(slices.Values(took))
	r.Wall = quantile(took, 1).Seconds()
	r.P50, r.P95 = quantile(took, 0.5).Seconds(), quantile(took, 0.95).Seconds()
}

// medians folds the repeats of each row into one: each number is the median of
// its own; lists and what is by name are those of the repeat with the median
// wall time.
func medians(all []Result) []Result {
	type key struct {
		row string
		n   int
	}
	var order []key
	groups := map[key][]Result{}
	for _, r := range all {
		k := key{r.Row, r.N}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	var folded []Result
	for _, k := range order {
		folded = append(folded, median(groups[k]))
	}
	return folded
}

func median(repeats []Result) Result {
	repeats = slices.Clone(repeats)
	slices.SortStableFunc(repeats, func(a, b Result) int {
		switch {
		case a.Wall < b.Wall:
			return -1
		case a.Wall > b.Wall:
			return 1
		}
		return 0
	})
	m := repeats[len(repeats)/2]
	if m.Steady != nil {
		steady := *m.Steady
		m.Steady = &steady
	}
	var values []reflect.Value
	for i := range repeats {
		values = append(values, reflect.ValueOf(&repeats[i]).Elem())
	}
	medianOf(reflect.ValueOf(&m).Elem(), values)
	return m
}

// medianOf sets every number of m, in structs too, to the median of the values.
func medianOf(m reflect.Value, values []reflect.Value) {
	switch m.Kind() {
	case reflect.Float64:
		m.SetFloat(middle(values, reflect.Value.Float))
	case reflect.Int, reflect.Int64:
		m.SetInt(middle(values, reflect.Value.Int))
	case reflect.Struct:
		for i := range m.NumField() {
			medianOf(m.Field(i), each(values, func(v reflect.Value) reflect.Value { return v.Field(i) }))
		}
	case reflect.Pointer:
		if !m.IsNil() && !slices.ContainsFunc(values, reflect.Value.IsNil) {
			medianOf(m.Elem(), each(values, reflect.Value.Elem))
		}
	}
}

func each(values []reflect.Value, f func(reflect.Value) reflect.Value) []reflect.Value {
	var all []reflect.Value
	for _, v := range values {
		all = append(all, f(v))
	}
	return all
}

func middle[N int64 | float64](values []reflect.Value, number func(reflect.Value) N) N {
	var numbers []N
	for _, v := range values {
		numbers = append(numbers, number(v))
	}
	slices.Sort(numbers)
	return numbers[len(numbers)/2]
}
