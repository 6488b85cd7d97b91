package wire

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Hash is the SHA-1 name of an object of Git.
type Hash [20]byte

// String returns 40 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells whether h names nothing.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads 40 hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("%.70q is no commit: want %d hexadecimal digits", s, 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("%.70q is no commit: %w", s, err)
	}
	return h, nil
}

// Ref is one line of what a server advertises. For an annotated tag, Peeled
// names what the tag stands for in the end.
type Ref struct {
	Name   string
	Hash   Hash
	Peeled Hash
}

// ListOptions say which refs are wanted; others are skipped without being kept.
type ListOptions struct {
	Prefixes []string // such as refs/heads/
	Names    []string // exact names
	MaxRefs  int      // refs kept
	MaxBytes int64    // bytes of the whole answer
}

func (o ListOptions) wants(name string) bool {
	return slices.Contains(o.Names, name) || slices.ContainsFunc(o.Prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// caps is what a server can do.
type caps struct {
	version int
	list    []string // v0: of the first ref; v2: lines
}

// has tells whether a capability is there, value returns what follows its "=".
func (c caps) has(name string) bool {
	_, ok := c.value(name)
	return ok
}

func (c caps) value(name string) (string, bool) {
	for _, s := range c.list {
		if k, v, _ := strings.Cut(s, "="); k == name {
			return v, true
		}
	}
	return "", false
}

// fetchHas tells whether the fetch command of version 2 has a feature.
func (c caps) fetchHas(feature string) bool {
	v, _ := c.value("fetch")
	return slices.Contains(strings.Fields(v), feature)
}

// ErrSHA256 is the answer to a repository that names objects by SHA-256.
var ErrSHA256 = errors.New("the repository names its objects by SHA-256, which is not supported: revisions of Flux are sha1:…")

func (c caps) check() error {
	if f, ok := c.value("object-format"); ok && f != "sha1" {
		return ErrSHA256
	}
	return nil
}

// readAdvert reads the first thing that a server says. In version 2 there are
// no refs in it.
func readAdvert(p *pktReader, o ListOptions) (caps, []Ref, error) {
	k, line, err := p.line()
	if err == nil && k == data && strings.HasPrefix(line, "# service=") {
		if k, _, err = p.line(); err == nil && k != flush {
			return caps{}, nil, &FormatError{"no flush after the service line"}
		}
		k, line, err = p.line()
	}
	if err != nil {
		return caps{}, nil, err
	}
	if k == data && line == "version 1" {
		if k, line, err = p.line(); err != nil {
			return caps{}, nil, err
		}
	}
	if k == data && line == "version 2" {
		c, err := readCaps(p)
		return c, nil, err
	}
	return readRefs(p, k, line, o)
}

func readCaps(p *pktReader) (caps, error) {
	c := caps{version: 2}
	for {
		k, line, err := p.line()
		if err != nil {
			return c, err
		}
		if k != data {
			return c, c.check()
		}
		if c.list = append(c.list, line); len(c.list) > 1000 {
			return c, &FormatError{"more than 1000 capabilities"}
		}
	}
}

// readRefs reads the refs of version 0; line is the first of them, which also
// holds the capabilities.
func readRefs(p *pktReader, k kind, line string, o ListOptions) (caps, []Ref, error) {
	var c caps
	refs := collector{o: o}
	for first := true; k == data; first = false {
		if first {
			var list string
			line, list, _ = strings.Cut(line, "\x00")
			c.list = strings.Fields(list)
			if err := c.check(); err != nil {
				return c, nil, err
			}
		}
		if strings.HasPrefix(line, "shallow ") {
			break // the server's own shallow commits end the refs
		}
		id, name, ok := strings.Cut(line, " ")
		if len(id) == 64 {
			return c, nil, ErrSHA256
		}
		h, err := ParseHash(id)
		if !ok || err != nil {
			return c, nil, &FormatError{fmt.Sprintf("%q among the refs", clean(line))}
		}
		if err := refs.add(name, h); err != nil {
			return c, nil, err
		}
		if k, line, err = p.line(); err != nil {
			return c, nil, err
		}
	}
	return c, refs.refs, nil
}

// collector keeps the wanted refs, and peels tags.
type collector struct {
	o    ListOptions
	refs []Ref
}

// TooManyError says that a server advertises more than the limits allow.
type TooManyError struct {
	Limit int64
	Of    string
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("the server advertises more than %d %s", e.Limit, e.Of)
}

// bound returns r with an error in place of what is more than the limit.
func (o ListOptions) bound(r io.Reader) io.Reader { return &bounded{r, o.MaxBytes, o.MaxBytes} }

type bounded struct {
	r           io.Reader
	left, limit int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &TooManyError{b.limit, "bytes of refs"}
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // a flush ends a listing, never the end of the stream
	}
	return n, err
}

func (c *collector) add(name string, h Hash) error {
	if tag, ok := strings.CutSuffix(name, "^{}"); ok {
		if n := len(c.refs); n > 0 && c.refs[n-1].Name == tag {
			c.refs[n-1].Peeled = h
		}
		return nil
	}
	if name == "capabilities" || !c.o.wants(name) || !ValidName(name) {
		return nil
	}
	if len(c.refs) >= c.o.MaxRefs {
		return &TooManyError{int64(c.o.MaxRefs), "refs"}
	}
	c.refs = append(c.refs, Ref{Name: name, Hash: h})
	return nil
}

// lsRefs is the request for refs of version 2.
func lsRefs(c caps, o ListOptions) []byte {
	var p pkts
	p.add("command=ls-refs\n")
	commandCaps(&p, c)
	p.delim()
	p.add("peel\n")
	for _, prefix := range append(slices.Clone(o.Prefixes), o.Names...) {
		p.add("ref-prefix %s\n", prefix)
	}
	p.flush()
	return p.b
}

func commandCaps(p *pkts, c caps) {
	if c.has("agent") {
		p.add("agent=%s\n", agent)
	}
	if c.has("object-format") {
		p.add("object-format=sha1\n")
	}
}

// agent names us to servers.
const agent = "leat/1"

// readLsRefs reads the answer to lsRefs.
func readLsRefs(p *pktReader, o ListOptions) ([]Ref, error) {
	refs := collector{o: o}
	for {
		k, line, err := p.line()
		if err != nil {
			return nil, err
		}
		if k != data {
			return refs.refs, nil
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			return nil, &FormatError{fmt.Sprintf("%q among the refs", clean(line))}
		}
		if fields[0] == "unborn" {
			continue
		}
		if len(fields[0]) == 64 {
			return nil, ErrSHA256
		}
		h, err := ParseHash(fields[0])
		if err != nil {
			return nil, &FormatError{fmt.Sprintf("%q among the refs", clean(line))}
		}
		if err := refs.add(fields[1], h); err != nil {
			return nil, err
		}
		for _, attr := range fields[2:] {
			if peeled, ok := strings.CutPrefix(attr, "peeled:"); ok {
				if h, err = ParseHash(peeled); err != nil {
					return nil, &FormatError{fmt.Sprintf("%q among the refs", clean(line))}
				}
				if err := refs.add(fields[1]+"^{}", h); err != nil {
					return nil, err
				}
			}
		}
	}
}

// ValidName tells whether a ref may have this name (git-check-ref-format,
// without the rule that there must be a slash).
func ValidName(name string) bool {
	if name == "" || len(name) > 1024 || name == "@" || strings.HasSuffix(name, ".") ||
		strings.Contains(name, "..") || strings.Contains(name, "@{") {
		return false
	}
	for elem := range strings.SplitSeq(name, "/") {
		if elem == "" || elem[0] == '.' || strings.HasSuffix(elem, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("~^:?*[\\", r)
	})
}
