// Package charts reads chart repositories over HTTP: their index, and the charts
// that it names.
//
//	pool := charts.NewPool(charts.Options{})
//	x, err := pool.Index(ctx, charts.Request{URL: "https://charts.example.com", Credential: cred})
//	data, err := pool.Chart(ctx, req, version) // a chart.Version of the parsed index
//
// Those who ask for the same address with the same credential at once share one
// download. A credential goes to the host of the repository and, where that is
// asked for, to the host of a chart that the index names; a redirect never takes
// it anywhere else. Everything is bounded, digests are checked.
package charts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/chart"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Options of a Pool. The zero value is usable.
type Options struct {
	MaxIndex int64            // bytes of an index, 0 for chart.MaxIndex
	MaxChart int64            // bytes of a packaged chart, 0 for chart.MaxPacked
	Now      func() time.Time // nil for the clock
}

// Pool holds what a process has of chart repositories. It may be used by several
// goroutines.
type Pool struct {
	o      Options
	key    secret.Key
	plain  *http.Transport
	ctx    context.Context // ends with the pool: a download outlives the one who asked first
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex
	repos map[string]*repository
	calls map[string]*call
	kept  []*call // done, oldest first
}

// Request is a question to a repository.
type Request struct {
	URL        string // of the repository
	Credential Credential
	// Since is how old an index may be: one that was asked for at or after it
	// will do, whoever asked.
	Since time.Time
	// Have is the digest, sha256:…, of the index that the caller holds; then that
	// index need not be sent again.
	Have string
}

// Index is what stands at a repository's index.yaml.
type Index struct {
	Digest string // sha256:<64 hex digits> of the file as it was sent
	Data   []byte // nil where it is the one that the caller has
}

// The bounds of a download.
const (
	maxDownload  = 10 * time.Minute // however patient those are who wait
	maxRedirects = 5
	maxKept      = 64 << 20         // bytes of answers kept for others
	keepIndex    = 10 * time.Second // how long an index serves others who ask
	keepChart    = 10 * time.Minute
	maxRepos     = 512 // repositories remembered
)

// NewPool makes a pool.
func NewPool(o Options) *Pool {
	o.MaxIndex = cmp.Or(o.MaxIndex, chart.MaxIndex)
	o.MaxChart = cmp.Or(o.MaxChart, chart.MaxPacked)
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Pool{o: o, key: secret.NewKey(), plain: newTransport(), repos: map[string]*repository{}, calls: map[string]*call{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // a chart is compressed already, an index is asked for compressed
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       time.Minute,
		MaxIdleConnsPerHost:   4,
	}
}

// Close ends all downloads and waits for them.
func (p *Pool) Close() {
	p.cancel()
	p.work.Wait()
	p.plain.CloseIdleConnections()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgetRepos()
}

// repository is an address with a credential.
type repository struct {
	id   string
	url  *url.URL // without user information
	cred Credential
	own  *http.Transport // with the credential's certificates
	bare *http.Transport // without the client's: for other hosts

	// What the last whole answer said of itself, under the pool's lock.
	etag, modified, digest string
}

// repository returns the one of a request: the same for the same two.
func (p *Pool) repository(r Request) (*repository, error) {
	normal, err := chart.Normalize(r.URL)
	if err != nil {
		return nil, &fault.Error{Class: fault.Invalid, Err: err}
	}
	u, err := url.Parse(normal)
	if err != nil || u.Scheme == "oci" {
		return nil, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("the URL has the scheme %.20q: want http:// or https://", u.Scheme)}
	}
	cred := r.Credential.completed(u.User)
	u.User = nil
	id := cred.id(p.key, u.String())
	p.mu.Lock()
	defer p.mu.Unlock()
	if repo := p.repos[id]; repo != nil {
		return repo, nil
	}
	if len(p.repos) >= maxRepos {
		p.forgetRepos()
	}
	repo := &repository{id: id, url: u, cred: cred, own: p.plain, bare: p.plain}
	if err := repo.identify(); err != nil {
		return nil, err
	}
	p.repos[id] = repo
	return repo, nil
}

// identify makes the transports of a credential with certificates.
func (r *repository) identify() error {
	conf, err := r.cred.tls()
	if err != nil || conf == nil {
		return err
	}
	bare := conf.Clone()
	bare.Certificates = nil
	r.own, r.bare = newTransport(), newTransport()
	r.own.TLSClientConfig, r.bare.TLSClientConfig = conf, bare
	return nil
}

// forgetRepos drops all repositories; they are found again when asked for.
func (p *Pool) forgetRepos() {
	for id, r := range p.repos {
		r.own.CloseIdleConnections()
		r.bare.CloseIdleConnections()
		delete(p.repos, id)
	}
}

// Index downloads the index of a repository.
func (p *Pool) Index(ctx context.Context, r Request) (Index, error) {
	repo, err := p.repository(r)
	if err != nil {
		return Index{}, err
	}
	address, err := chart.IndexURL(repo.url.String())
	if err != nil {
		return Index{}, &fault.Error{Class: fault.Invalid, Err: err}
	}
	d := download{repo: repo, address: address, max: p.o.MaxIndex, flag: "--helm-index-max-size", compressed: true, keep: keepIndex}
	p.mu.Lock()
	if r.Have != "" && r.Have == repo.digest {
		d.etag, d.modified = repo.etag, repo.modified
	}
	p.mu.Unlock()
	a, err := p.ask(ctx, d, r.Since)
	if err != nil {
		return Index{}, err
	}
	if a.unchanged {
		return Index{Digest: r.Have}, nil
	}
	p.mu.Lock()
	repo.etag, repo.modified, repo.digest = a.etag, a.modified, a.digest
	p.mu.Unlock()
	return Index{Digest: a.digest, Data: a.data}, nil
}

// Chart downloads a version that the index of a repository names.
func (p *Pool) Chart(ctx context.Context, r Request, v chart.Version) ([]byte, error) {
	repo, err := p.repository(r)
	if err != nil {
		return nil, err
	}
	if len(v.URLs) == 0 {
		return nil, &fault.Error{Class: fault.NotFound, URL: repo.url.String(), Err: fmt.Errorf("chart '%s' has no downloadable URLs", v.Name)}
	}
	address, err := chart.Resolve(repo.url.String(), v.URLs[0])
	if err != nil {
		return nil, &fault.Error{Class: fault.Invalid, Err: err}
	}
	d := download{repo: repo, address: address, max: p.o.MaxChart, flag: "--helm-chart-max-size", want: v.Digest, keep: keepIndex}
	since := p.o.Now().Add(-keepIndex)
	if v.Digest != "" { // then what is kept is known to be what is asked for
		d.keep, since = keepChart, p.o.Now().Add(-keepChart)
	}
	a, err := p.ask(ctx, d, since)
	return a.data, err
}

// answer is what a download brought.
type answer struct {
	data           []byte
	digest         string
	etag, modified string
	unchanged      bool
}

func (d download) checked(a answer) (answer, error) {
	a.digest = hash.Of(a.data).String()
	if d.want != "" && a.digest != "sha256:"+d.want {
		return answer{}, d.fail(fault.Corrupt, fmt.Errorf("the chart has the digest %s, the index says sha256:%s", a.digest, d.want))
	}
	return a, nil
}

func (d download) fail(class fault.Class, err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return err
	}
	return &fault.Error{Class: class, URL: Shown(d.address), Err: err}
}
