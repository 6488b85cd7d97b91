package git

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/leat-dev/leat/internal/secret"
)

// Limits bound what one remote may send. Zero fields stand for the defaults.
type Limits struct {
	Refs        int   // branches and tags kept of one listing
	RefBytes    int64 // bytes of one listing
	PackBytes   int64 // bytes of one pack
	PackObjects int   // objects of one pack
	Unpacked    int64 // bytes of one pack when unpacked
	Object      int64 // bytes of one object when unpacked
}

// DefaultLimits are above what any repository of manifests has, and below what
// takes the process down.
var DefaultLimits = Limits{
	Refs:        50_000,
	RefBytes:    64 << 20,
	PackBytes:   1 << 30,
	PackObjects: 2_000_000,
	Unpacked:    8 << 30,
	Object:      512 << 20,
}

// Options of a Pool. The zero value is usable.
type Options struct {
	Limits  Limits
	Dial    Dialer           // nil for a plain one
	Now     func() time.Time // nil for the clock
	Content int64            // bytes of contents kept in memory, 0 for 64 MiB
	// Remember keeps what is known of blobs for as long as the pool lives, for Hashed;
	// Know is of no use without it.
	Remember bool
	// Unused is how long after it was asked for last a remote is forgotten, with what
	// it has fetched, as of a credential that was replaced; 0 for never. The pool must
	// have its directory for itself then.
	Unused time.Duration
}

// Pool holds the remotes of a process. It may be used by several goroutines.
type Pool struct {
	dir      string
	o        Options
	key      secret.Key // names directories, see Credential.id
	contents *lru
	hashed   hashed

	ctx    context.Context // ends with the pool: polls outlive the one who asks
	cancel context.CancelFunc
	polls  sync.WaitGroup

	mu      sync.Mutex
	remotes map[string]*Remote
	opening map[string]chan struct{} // closed when it is known how that ended
	asked   map[string]time.Time     // for the remotes, the last time
	left    map[string]bool          // forgotten; trees may still read what they fetched
	swept   time.Time
}

// keyFile holds the key under which directories are named after credentials.
const keyFile = "key"

// NewPool keeps what it fetches under dir, and finds there what an earlier
// process left.
func NewPool(dir string, o Options) (*Pool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open git store: %w", err)
	}
	key, err := loadKey(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("open git store: %w", err)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Content == 0 {
		o.Content = 64 << 20
	}
	o.Limits = o.Limits.withDefaults()
	p := &Pool{dir: dir, o: o, key: key, contents: newLRU(o.Content), hashed: hashed{keeps: o.Remember},
		remotes: map[string]*Remote{}, opening: map[string]chan struct{}{}, asked: map[string]time.Time{}, left: map[string]bool{}, swept: o.Now()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

func loadKey(file string) (secret.Key, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(b) >= 32 {
		return b, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	key := secret.NewKey()
	return key, os.WriteFile(file, key, 0o600)
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	for _, f := range []struct{ have, use *int64 }{
		{&l.RefBytes, &d.RefBytes}, {&l.PackBytes, &d.PackBytes}, {&l.Unpacked, &d.Unpacked}, {&l.Object, &d.Object},
	} {
		if *f.have == 0 {
			*f.have = *f.use
		}
	}
	if l.Refs == 0 {
		l.Refs = d.Refs
	}
	if l.PackObjects == 0 {
		l.PackObjects = d.PackObjects
	}
	return l
}

// Remote returns the remote behind an address for a credential: the same one
// for the same two, however often it is asked. User information in the URL
// fills what the credential lacks.
func (p *Pool) Remote(rawURL string, c Credential) (*Remote, error) {
	return p.RemoteBy(Door{Dial: p.o.Dial}, rawURL, c)
}

// Door is a way to remotes: what opens connections, under a name. Remotes behind
// different doors share nothing.
type Door struct {
	Name string // "" for that of the pool
	Dial Dialer
}

// RemoteBy is Remote behind a door, which its submodules are behind too.
func (p *Pool) RemoteBy(door Door, rawURL string, c Credential) (*Remote, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	c = c.completed(u)
	u = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	address := u.String()
	if door.Name != "" {
		address = door.Name + " " + address
	}
	id := c.id(p.key, address)
	return p.remote(id, func() (*Remote, error) {
		if err := c.check(u); err != nil {
			return nil, err
		}
		cl, err := newClient(u, c, door.Dial)
		if err != nil {
			return nil, err
		}
		st, err := p.openStore(id)
		if err != nil {
			return nil, errors.Join(err, cl.Close())
		}
		r := newRemote(p, u, c, cl, st)
		r.door = door
		return r, nil
	})
}

// Local returns the repository in a directory as a remote: nothing is copied.
func (p *Pool) Local(dir string) (*Remote, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	return p.remote("file:"+abs, func() (*Remote, error) {
		st, cl, err := openLocal(abs)
		if err != nil {
			return nil, err
		}
		return newRemote(p, &url.URL{Scheme: "file", Path: abs}, Credential{}, cl, st), nil
	})
}

// remote returns the remote of an ID, and opens it where nobody did. That may take
// seconds, as for the passphrase of a key: others are not kept waiting.
func (p *Pool) remote(id string, open func() (*Remote, error)) (*Remote, error) {
	for {
		p.mu.Lock()
		p.asked[id] = p.o.Now()
		p.sweep()
		r, known := p.remotes[id]
		opened, busy := p.opening[id]
		if !known && !busy {
			p.opening[id] = make(chan struct{})
		}
		p.mu.Unlock()
		switch {
		case known:
			return r, nil
		case !busy:
			return p.open(id, open)
		}
		<-opened
	}
}

func (p *Pool) open(id string, open func() (*Remote, error)) (*Remote, error) {
	r, err := open()
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.opening[id])
	delete(p.opening, id)
	if err == nil {
		p.remotes[id] = r
	}
	return r, err
}

// Close ends all polls and waits for them.
func (p *Pool) Close() error {
	p.cancel()
	p.polls.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for id, r := range p.remotes {
		errs = append(errs, r.client.Close())
		delete(p.remotes, id)
	}
	return errors.Join(errs...)
}

// Forget drops a remote that no object uses any more, with what it has fetched;
// trees of it can no longer be read.
func (p *Pool) Forget(r *Remote) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, other := range p.remotes {
		if other == r {
			delete(p.remotes, id)
			delete(p.asked, id)
		}
	}
	return errors.Join(r.client.Close(), r.objects().remove())
}
