// Package bases brings what kustomizations name by URL: repositories of Git and
// single files over HTTP.
//
//	f := bases.New(pool, bases.Options{})
//	t, id, err := f.Fetch(ctx, "https://example.com/crds.yaml")
//
// Everything is bounded: size, time, redirects, and how often an address is
// asked. It must never reach the addresses of this machine or of a cloud's
// metadata service, whatever a name resolves to.
package bases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/leat-dev/leat/internal/build"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/source/fault"
	"github.com/leat-dev/leat/internal/source/git"
	"github.com/leat-dev/leat/internal/tree"
)

// The bounds of a fetch.
const (
	MaxFile      = 16 << 20 // bytes of one file
	maxRedirects = 5
	timeout      = 30 * time.Second
	// fresh is how long an answer serves without asking again: read-sets are
	// replayed far more often than bases change.
	fresh = time.Minute
	kept  = 256 // answers kept
	// keptBytes bounds what the files among them hold in memory.
	keptBytes = 64 << 20
)

// Options of a Fetcher.
type Options struct {
	// Private allows addresses of this machine and of private networks' link
	// locals; tests need it, production does not.
	Private bool
	Now     func() time.Time
}

// Fetcher implements build.RemoteFetcher. It is safe for concurrent use.
type Fetcher struct {
	pool   *git.Pool
	dial   git.Dialer // of both kinds
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	answers map[string]answer
	held    int64 // bytes of the files in them
}

type answer struct {
	at    time.Time
	tree  tree.Tree
	id    hash.ID
	bytes int64 // that it holds in memory
}

// New returns a fetcher that reads repositories through a pool.
func New(pool *git.Pool, o Options) *Fetcher {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !o.Private {
		dialer.ControlContext = refusePrivate
	}
	f := &Fetcher{pool: pool, dial: dialer.DialContext, now: o.Now, answers: make(map[string]answer)}
	if f.now == nil {
		f.now = time.Now
	}
	f.client = &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DialContext: f.dial, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errors.New("too many redirects")
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("a redirect from https to http is refused")
			}
			return nil
		},
	}
	return f
}

// refusePrivate is asked after a name was resolved, for every connection, so
// that neither a redirect nor a changing name leads inside.
func refusePrivate(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := embedded(ap.Addr().Unmap())
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("%s is an address of this machine or its link; bases come from outside", ip)
	}
	if slices.Contains(metadata, ip) {
		return fmt.Errorf("%s is where a cloud tells machines of themselves; bases come from outside", ip)
	}
	return nil
}

// metadata are the services of clouds that are not reached by a link-local
// address: AWS and GCP over IPv6, Alibaba, Azure, Oracle.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
}

// throughNAT64 is the prefix of IPv4 addresses as hosts of IPv6 alone reach them
// (RFC 6052, section 2.1).
var throughNAT64 = netip.MustParsePrefix("64:ff9b::/96")

// embedded returns the IPv4 address that an IPv6 address stands for, else ip.
func embedded(ip netip.Addr) netip.Addr {
	if !throughNAT64.Contains(ip) {
		return ip
	}
	b := ip.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}

// Fetch implements build.RemoteFetcher.
func (f *Fetcher) Fetch(ctx context.Context, address string) (tree.Tree, hash.ID, error) {
	f.mu.Lock()
	a, ok := f.answers[address]
	f.mu.Unlock()
	if ok && f.now().Sub(a.at) < fresh {
		return a.tree, a.id, nil
	}
	t, id, err := f.fetch(ctx, address)
	if err != nil {
		return t, id, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keep(address, answer{at: f.now(), tree: t, id: id})
	return t, id, nil
}

// keep remembers an answer, and forgets all others where they are too many or too large;
// f.mu is held. One address may answer otherwise each time.
func (f *Fetcher) keep(address string, a answer) {
	f.held -= f.answers[address].bytes
	delete(f.answers, address)
	if _, _, repository := build.SplitRemote(address); !repository { // its files are on disk
		a.bytes = a.tree.Size()
	}
	if len(f.answers) >= kept || f.held+a.bytes > keptBytes {
		clear(f.answers)
		f.held = 0
	}
	f.answers[address] = a
	f.held += a.bytes
}

func (f *Fetcher) fetch(ctx context.Context, address string) (tree.Tree, hash.ID, error) {
	if repo, ref, ok := build.SplitRemote(address); ok {
		return f.repository(ctx, repo, ref)
	}
	return f.file(ctx, address)
}

func (f *Fetcher) repository(ctx context.Context, repo, ref string) (tree.Tree, hash.ID, error) {
	remote, err := f.pool.RemoteBy(git.Door{Name: "bases", Dial: f.dial}, repo, git.Credential{})
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	commit, err := resolve(ctx, remote, ref, f.now().Add(-fresh))
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	out, err := remote.Tree(ctx, commit, git.TreeOptions{Submodules: true})
	return out.Tree, out.Tree.Hash(), err
}

// resolve tries what a ref may mean, in the order in which git would.
func resolve(ctx context.Context, remote *git.Remote, ref string, since time.Time) (git.Commit, error) {
	tries := []git.Ref{{Name: "HEAD"}}
	if ref != "" {
		tries = []git.Ref{{Tag: ref}, {Branch: ref}}
		if len(ref) == 40 && strings.Trim(ref, "0123456789abcdef") == "" {
			tries = []git.Ref{{Commit: ref}}
		}
	}
	var first error
	for _, want := range tries {
		commit, err := remote.Resolve(ctx, want, since)
		if err == nil {
			return commit, nil
		}
		if first == nil {
			first = err
		}
		if fault.ClassOf(err) != fault.NotFound {
			break
		}
	}
	return git.Commit{}, first
}

func (f *Fetcher) file(ctx context.Context, address string) (tree.Tree, hash.ID, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	res, err := f.client.Do(req)
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return tree.Tree{}, hash.ID{}, fmt.Errorf("the server answered %s", res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, MaxFile+1))
	if err != nil {
		return tree.Tree{}, hash.ID{}, err
	}
	if len(data) > MaxFile {
		return tree.Tree{}, hash.ID{}, fmt.Errorf("more than %d bytes", MaxFile)
	}
	t, err := Single(path.Base(req.URL.Path), data)
	return t, hash.Of(data), err
}

// Single is a tree of one file.
func Single(name string, data []byte) (tree.Tree, error) {
	if name == "" || name == "/" || name == "." {
		name = "base.yaml"
	}
	var b tree.Builder
	if err := b.Add(name, tree.BlobOf(data)); err != nil {
		return tree.Tree{}, err
	}
	return b.Tree()
}
