package engine

import (
	"sync"

	"helm.sh/helm/v4/pkg/chart/common"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

// maxCharts is how many loaded charts are kept, and maxChartBytes how large the files of all
// of them are: a chart takes about three times that. One alone may have 100 MiB.
const (
	maxCharts     = 64
	maxChartBytes = 128 << 20
)

// charts keeps loaded charts by the digest of their artifact: hundreds of
// releases share a few. What it returns is shared and must not be changed.
type charts struct {
	mu    sync.Mutex
	all   map[string]*loadedChart
	clock int // of uses
}

type loadedChart struct {
	once  sync.Once
	chart *helmchart.Chart
	err   error
	used  int
	bytes int // once it is read
}

// load returns the chart of a digest, reading it once however many ask.
func (c *charts) load(digest string, read func() (*helmchart.Chart, error)) (*helmchart.Chart, error) {
	c.mu.Lock()
	if c.all == nil {
		c.all = make(map[string]*loadedChart)
	}
	l := c.all[digest]
	if l == nil {
		c.makeRoom()
		l = &loadedChart{}
		c.all[digest] = l
	}
	c.clock++
	l.used = c.clock
	c.mu.Unlock()
	l.once.Do(func() { l.chart, l.err = read() })
	if l.err != nil {
		c.drop(digest, l)
		return nil, l.err
	}
	c.weigh(digest, l)
	return l.chart, nil
}

// weigh counts a chart that was read, and forgets others, least recently used first, where
// they are too large together.
func (c *charts) weigh(digest string, l *loadedChart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[digest] != l || l.bytes > 0 {
		return
	}
	l.bytes = max(sizeOf(l.chart), 1)
	for c.bytes() > maxChartBytes && len(c.all) > 1 {
		c.forgetOldest(l)
	}
}

func (c *charts) bytes() (sum int) {
	for _, l := range c.all {
		sum += l.bytes
	}
	return sum
}

// sizeOf is how large the files of a chart and of its subcharts are, in bytes.
func sizeOf(c *helmchart.Chart) (sum int) {
	for _, files := range [][]*common.File{c.Raw, c.Templates, c.Files} {
		for _, f := range files {
			sum += len(f.Data)
		}
	}
	for _, sub := range c.Dependencies() {
		sum += sizeOf(sub)
	}
	return sum
}

// drop forgets a chart that could not be read: the next one tries again.
func (c *charts) drop(digest string, l *loadedChart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[digest] == l {
		delete(c.all, digest)
	}
}

// makeRoom forgets the chart that was used least recently.
func (c *charts) makeRoom() {
	for len(c.all) >= maxCharts {
		c.forgetOldest(nil)
	}
}

// forgetOldest forgets the chart that was used least recently, but for one.
func (c *charts) forgetOldest(but *loadedChart) {
	oldest := ""
	for digest, l := range c.all {
		if l != but && (oldest == "" || l.used < c.all[oldest].used) {
			oldest = digest
		}
	}
	delete(c.all, oldest)
}
