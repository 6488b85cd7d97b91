package oci

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// Limits bound what a registry may send. Zero fields stand for the defaults.
type Limits struct {
	Answer int   // bytes of a manifest, a page of tags, a token
	Tags   int   // of one repository
	Blob   int64 // bytes of a layer as it is stored
	Tree   int64 // bytes of a layer when unpacked
}

// DefaultLimits: registries refuse manifests above 4 MiB (distribution-spec).
var DefaultLimits = Limits{Answer: 4 << 20, Tags: 100_000, Blob: untar.MaxPacked, Tree: untar.MaxBytes}

// Options of a Pool. The zero value is usable.
type Options struct {
	Limits  Limits
	Dial    func(ctx context.Context, network, address string) (net.Conn, error) // nil for a plain one
	Now     func() time.Time                                                     // nil for the clock
	Content int64                                                                // bytes kept in memory of what has a digest, 0 for 64 MiB
	// Contents gives each unpacked layer a place for its contents; nil is memory.
	Contents func() untar.Contents
}

// Pool holds the connections of a process. It may be used by several goroutines.
type Pool struct {
	o   Options
	key secret.Key

	blobs     *lru[[]byte]
	trees     *lru[unpacked]
	manifests *lru[Manifest]

	mu      sync.Mutex
	clients map[string]*client
	used    []string // ids of the clients, the last used last
}

type unpacked struct {
	tree  tree.Tree
	notes []string
}

// maxClients bounds the registries and accesses whose connections are kept,
// maxRepositories the repositories of one.
const (
	maxClients      = 128
	maxRepositories = 4096
)

// NewPool returns a pool; nothing is asked yet.
func NewPool(o Options) *Pool {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Content == 0 {
		o.Content = 64 << 20
	}
	if o.Contents == nil {
		o.Contents = func() untar.Contents { return nil }
	}
	o.Limits = o.Limits.withDefaults()
	return &Pool{
		o: o, key: secret.NewKey(), clients: map[string]*client{},
		blobs:     newLRU(o.Content/2, func(b []byte) int64 { return int64(len(b)) }),
		trees:     newLRU(o.Content/2, func(u unpacked) int64 { return u.tree.Size() }),
		manifests: newLRU(o.Content/8, func(m Manifest) int64 { return m.size }),
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	if l.Answer > 0 {
		d.Answer = l.Answer
	}
	if l.Tags > 0 {
		d.Tags = l.Tags
	}
	if l.Blob > 0 {
		d.Blob = l.Blob
	}
	if l.Tree > 0 {
		d.Tree = l.Tree
	}
	return d
}

// Repository returns the repository behind an oci:// address for an access: the
// same one for the same two. An address that can never be used is an InvalidURL.
func (p *Pool) Repository(address string, a Access) (*Repository, error) {
	repo, err := parseAddress(address, a.Transport)
	if err != nil {
		return nil, err
	}
	c, id, err := p.client(repo.RegistryStr(), a)
	if err != nil {
		return nil, err
	}
	return c.repository(repo, id)
}

func (p *Pool) client(registry string, a Access) (*client, string, error) {
	id := registry + " " + a.id(p.key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touch(id)
	if c, ok := p.clients[id]; ok {
		return c, id, nil
	}
	c, err := newClient(p, a)
	if err != nil {
		return nil, "", err
	}
	p.clients[id] = c
	for len(p.used) > maxClients {
		old := p.used[0]
		p.used = p.used[1:]
		if c := p.clients[old]; c != nil {
			c.tr.CloseIdleConnections()
		}
		delete(p.clients, old)
	}
	return c, id, nil
}

func (p *Pool) touch(id string) {
	for i, have := range p.used {
		if have == id {
			p.used = append(p.used[:i:i], p.used[i+1:]...)
			break
		}
	}
	p.used = append(p.used, id)
}

// repository returns the one of a name. Too many of them are forgotten
// together, with their logins: that costs a few requests.
func (c *client) repository(repo name.Repository, id string) (*Repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.repos[repo.Name()]; ok {
		return r, nil
	}
	if len(c.repos) >= maxRepositories {
		puller, err := remote.NewPuller(c.opts...)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", repo.RegistryStr(), err)
		}
		c.puller, c.repos = puller, map[string]*Repository{}
	}
	r := newRepository(c, repo, id)
	c.repos[repo.Name()] = r
	return r, nil
}

// Close ends idle connections.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.tr.CloseIdleConnections()
	}
	return nil
}
