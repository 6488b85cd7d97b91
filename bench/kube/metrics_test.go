package kube

import (
	"reflect"
	"strings"
	"testing"
)

const sample = `# HELP apiserver_request_total Counter
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="",dry_run="",group="",resource="",scope="",subresource="/readyz",verb="GET",version=""} 3
apiserver_request_total{code="200",component="apiserver",dry_run="",group="apps",resource="deployments",scope="resource",subresource="",verb="APPLY",version="v1"} 40
apiserver_request_total{code="200",component="apiserver",dry_run="All",group="apps",resource="deployments",scope="resource",subresource="",verb="APPLY",version="v1"} 7
apiserver_request_total{code="201",component="apiserver",dry_run="",group="apps",resource="deployments",scope="resource",subresource="",verb="APPLY",version="v1"} 1.2e+02
apiserver_request_total{code="409",component="apiserver",dry_run="",group="k.io",resource="kustomizations",scope="resource",subresource="status",verb="PATCH",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="k.io",resource="kustomizations",scope="resource",subresource="status",verb="PATCH",version="v1"} 5
apiserver_request_total{code="200",component="apiserver",dry_run="",group="k.io",resource="odd\"},name",scope="resource",subresource="",verb="GET",version="v1"} 1
apiserver_request_sli_duration_seconds_count{verb="GET"} 99
`

func TestParseMetrics(t *testing.T) {
	c, err := ParseMetrics(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Total(); got != 178 {
		t.Errorf("total is %d, want 178", got)
	}
	wantTop := []Named{
		{"APPLY deployments", 160}, {"APPLY deployments (dry run)", 7}, {"PATCH kustomizations/status", 7},
		{"GET /readyz", 3}, {"GET odd\"},name", 1},
	}
	if got := c.Top(); !reflect.DeepEqual(got, wantTop) {
		t.Errorf("top is %v, want %v", got, wantTop)
	}
	wantVerbs := []Named{{"APPLY", 167}, {"PATCH", 7}, {"GET", 4}}
	if got := c.Verbs(); !reflect.DeepEqual(got, wantVerbs) {
		t.Errorf("verbs are %v, want %v", got, wantVerbs)
	}
	if got, want := c.Failed(), []Named{{"409 PATCH kustomizations", 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("failed are %v, want %v", got, want)
	}
}

func TestSubOfScrapesAndOwn(t *testing.T) {
	a := Sort{Verb: "GET", Resource: "services", Code: 200}
	b := Sort{Verb: "LIST", Resource: "services", Code: 200}
	got := Counts{a: 9, b: 4}.Sub(Counts{a: 2, b: 1}).Sub(Counts{b: 3})
	if want := (Counts{a: 7}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseMetricsRefusesWhatItCannotRead(t *testing.T) {
	for _, s := range []string{`apiserver_request_total{code="200",verb} 3`, `apiserver_request_total{code="200"} x`, `apiserver_request_total{code="200"}`} {
		if _, err := ParseMetrics(strings.NewReader(s)); err == nil {
			t.Errorf("%s was read", s)
		}
	}
}
