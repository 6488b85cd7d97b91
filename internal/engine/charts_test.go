package engine

import (
	"errors"
	"fmt"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

// Charts that are kept are bounded in number and in size: a tenant may have as many and
// as large ones as they like.
func TestChartsKeptAreBounded(t *testing.T) {
	var c charts
	large := make([]byte, maxChartBytes/4+1) // one text for all: nothing of it is copied
	reads := 0
	load := func(name string, data []byte) {
		t.Helper()
		_, err := c.load(name, func() (*helmchart.Chart, error) {
			reads++
			return &helmchart.Chart{Templates: []*common.File{{Data: data}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		load(fmt.Sprint("large", i), large)
	}
	if len(c.all) != 3 || c.bytes() > maxChartBytes {
		t.Errorf("%d charts of %d bytes are kept", len(c.all), c.bytes())
	}
	load("large9", large)
	if reads != 10 {
		t.Errorf("the newest was read again")
	}
	load("huge", make([]byte, maxChartBytes+1))
	if len(c.all) != 1 {
		t.Errorf("%d charts are kept beside one that is larger than all may be", len(c.all)-1)
	}
	for i := range 2 * maxCharts {
		load(fmt.Sprint("small", i), nil)
	}
	if len(c.all) > maxCharts {
		t.Errorf("%d charts are kept", len(c.all))
	}
	if _, err := c.load("bad", func() (*helmchart.Chart, error) { return nil, errors.New("no chart") }); err == nil || c.all["bad"] != nil {
		t.Errorf("one that cannot be read: %v", err)
	}
}
