package engine

import (
	"sync"

	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

// maxCharts is how many loaded charts are kept; a chart of a few megabytes takes
// about three times its size.
const maxCharts = 64

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
	}
	return l.chart, l.err
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
		oldest := ""
		for digest, l := range c.all {
			if oldest == "" || l.used < c.all[oldest].used {
				oldest = digest
			}
		}
		delete(c.all, oldest)
	}
}
