package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/source/spool"
	"github.com/leat-dev/leat/internal/source/untar"
	"github.com/leat-dev/leat/internal/tree"
)

// Bounds of what is fetched from other stores. Times are per try.
const (
	fetchTries    = 4
	fetchTimeout  = 60 * time.Second
	headerTimeout = 15 * time.Second
	maxRedirects  = 3
	firstPause    = 250 * time.Millisecond
)

// Waiter pauses between two tries; it returns early with the context's error.
type Waiter func(ctx context.Context, d time.Duration) error

func timerWait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Open returns the tree of an artifact: from memory when this process stored
// or opened it before, else from the store's directory, else from the URL. The
// content always has the digest that a names; a.Digest is required.
func (s *Store) Open(ctx context.Context, a Artifact) (tree.Tree, error) {
	want, err := parseDigest(a.Digest)
	if err != nil {
		return tree.Tree{}, err
	}
	if t, ok := s.trees.get(a.Digest); ok {
		return t, nil
	}
	f, own, err := s.whole(ctx, a, want)
	if err != nil {
		return tree.Tree{}, err
	}
	defer f.Close()
	t, _, err := untar.Read(ctx, f, untar.Options{Contents: s.Contents()})
	if err != nil {
		return tree.Tree{}, fmt.Errorf("open artifact %s: %w", a.Revision, err)
	}
	if own {
		s.remember(a, t)
	} else {
		s.trees.addFetched(a.Digest, t)
	}
	return t, nil
}

// remember keeps the tree of a file of ours, unless the file went meanwhile.
func (s *Store) remember(a Artifact, t tree.Tree) {
	s.trees.addOpened(a.Digest, t, a.Path)
	if _, err := s.root.Stat(a.Path); err != nil {
		s.trees.drop(a.Path)
	}
}

// Contents returns a place for the contents of one tree: what is large goes to the disk of
// the store.
func (s *Store) Contents() untar.Contents { return spool.In(s.root, s.temp()) }

// whole returns the file of an artifact, at its beginning, once it is known to have the
// digest: the stored one, which is our own, or a copy of what is at the URL. It is never
// in memory.
func (s *Store) whole(ctx context.Context, a Artifact, want digest) (f *os.File, own bool, err error) {
	if f, err := s.local(a, want); err == nil {
		return f, true, nil
	}
	f, err = s.fetch(ctx, a, want)
	return f, false, err
}

func (s *Store) local(a Artifact, want digest) (*os.File, error) {
	f, err := s.open(a.Path)
	if err != nil {
		return nil, err
	}
	return checked(f, f, want)
}

func (s *Store) fetch(ctx context.Context, a Artifact, want digest) (*os.File, error) {
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("fetch artifact %s: its URL is no http address", a.Revision)
	}
	pause := firstPause
	for try := 1; ; try++ {
		f, again, err := s.get(ctx, u, want)
		if err == nil {
			return f, nil
		}
		if !again || try == fetchTries || ctx.Err() != nil {
			return nil, fmt.Errorf("fetch artifact %s: %w", u.Redacted(), err)
		}
		if err := s.o.Wait(ctx, pause); err != nil {
			return nil, fmt.Errorf("fetch artifact %s: %w", u.Redacted(), err)
		}
		pause *= 2
	}
}

// get tries once; again tells whether another try may help.
func (s *Store) get(ctx context.Context, u *url.URL, want digest) (f *os.File, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, false, errors.New("not a valid request")
	}
	res, err := s.o.Client.Do(req)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the URL, which may hold a password
		}
		return nil, true, err
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, false, ErrMissing
	case res.StatusCode != http.StatusOK:
		again := res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests
		// Nothing of the body is told, nor of the words beside the number: the address stands in
		// a status, and may be one that whoever wrote it cannot reach.
		return nil, again, fmt.Errorf("the server answers %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	}
	if f, err = spool.Nameless(s.root, s.temp()); err != nil {
		return nil, false, err
	}
	f, err = checked(f, io.TeeReader(res.Body, f), want)
	return f, !errors.Is(err, errTooLarge), err
}

var errTooLarge = fmt.Errorf("larger than the limit of %d bytes", untar.MaxPacked)

// checked reads r to its end and returns f, which has its content then, at the beginning. A
// file whose content has another digest is closed.
func checked(f *os.File, r io.Reader, want digest) (*os.File, error) {
	h := want.new()
	n, err := io.Copy(h, io.LimitReader(r, untar.MaxPacked+1))
	switch {
	case err != nil:
	case n > untar.MaxPacked:
		err = errTooLarge
	case !bytes.Equal(h.Sum(nil), want.sum):
		err = ErrCorrupt
	default:
		if _, err = f.Seek(0, io.SeekStart); err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// newClient returns a client that shares nothing with http.DefaultTransport.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: headerTimeout}).DialContext,
			TLSHandshakeTimeout:   headerTimeout,
			ResponseHeaderTimeout: headerTimeout,
			IdleConnTimeout:       fetchTimeout,
			DisableCompression:    true, // the digest is of the bytes as stored
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if req.URL.Scheme != via[0].URL.Scheme && req.URL.Scheme != "https" {
				return fmt.Errorf("a redirect to %s", req.URL.Scheme)
			}
			return nil
		},
	}
}

type digest struct {
	new func() hash.Hash
	sum []byte
}

func parseDigest(s string) (digest, error) {
	algo, text, _ := strings.Cut(s, ":")
	d := digest{}
	switch algo {
	case "sha256":
		d.new = sha256.New
	case "sha384":
		d.new = sha512.New384
	case "sha512":
		d.new = sha512.New
	default:
		return d, fmt.Errorf("artifact digest %q: want sha256, sha384 or sha512 and a colon", s)
	}
	var err error
	if d.sum, err = hex.DecodeString(text); err != nil || len(d.sum) != d.new().Size() {
		return d, fmt.Errorf("artifact digest %q: not the hexadecimal digits of a %s", s, algo)
	}
	return d, nil
}
