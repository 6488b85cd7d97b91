package wire

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Request says which objects are wanted, and which are here already.
type Request struct {
	Wants   []Hash
	Haves   []Hash // commits that are here with everything they reach down to Shallow
	Shallow []Hash // commits that are here without their parents
	Depth   int    // commits to take of each want; 0 for all history
	Thin    bool   // whether the pack may hold deltas against objects that are here
}

// Pack is the answer to a Request: the bytes of a pack file.
type Pack struct {
	io.ReadCloser
	Shallow []Hash // commits in the pack that come without their parents
}

// ErrNotOffered says that the server does not give out a commit that is no ref
// of its own.
var ErrNotOffered = errors.New("the server gives out only commits that a ref names")

// encode writes the request for a server that can do c.
func (r Request) encode(c caps) []byte {
	if c.version == 2 {
		return r.encodeV2(c)
	}
	return r.encodeV0(c)
}

func (r Request) encodeV2(c caps) []byte {
	var p pkts
	p.add("command=fetch\n")
	commandCaps(&p, c)
	p.delim()
	if r.Thin {
		p.add("thin-pack\n")
	}
	p.add("no-progress\n")
	p.add("ofs-delta\n")
	r.wants(&p, "", c.fetchHas("shallow"))
	for _, h := range r.Haves {
		p.add("have %s\n", h)
	}
	p.add("done\n")
	p.flush()
	return p.b
}

func (r Request) encodeV0(c caps) []byte {
	var p pkts
	list := ""
	for _, want := range []string{"side-band-64k", "ofs-delta", "no-progress", "thin-pack"} {
		if c.has(want) && (want != "thin-pack" || r.Thin) {
			list += " " + want
		}
	}
	if c.has("agent") {
		list += " agent=" + agent
	}
	r.wants(&p, list, c.has("shallow"))
	p.flush()
	for _, h := range r.Haves {
		p.add("have %s\n", h)
	}
	p.add("done\n")
	return p.b
}

// wants writes what both versions have in common; list follows the first want.
func (r Request) wants(p *pkts, list string, shallow bool) {
	for _, h := range r.Wants {
		p.add("want %s%s\n", h, list)
		list = ""
	}
	if !shallow {
		return
	}
	for _, h := range r.Shallow {
		p.add("shallow %s\n", h)
	}
	if r.Depth > 0 {
		p.add("deepen %d\n", r.Depth)
	}
}

// readPack reads up to the pack and returns the rest as its bytes.
func (r Request) readPack(p *pktReader, c caps, body io.Closer) (*Pack, error) {
	pack := &Pack{}
	var err error
	if c.version == 2 {
		err = r.sectionsV2(p, pack)
	} else {
		err = r.headV0(p, c, pack)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if c.version == 2 || c.has("side-band-64k") {
		pack.ReadCloser = &sideband{p: p, body: body}
	} else {
		pack.ReadCloser = struct {
			io.Reader
			io.Closer
		}{p.r, body}
	}
	return pack, nil
}

func (r Request) sectionsV2(p *pktReader, pack *Pack) error {
	for {
		k, line, err := p.line()
		if err != nil {
			return err
		}
		switch {
		case k == delim:
		case k != data:
			return &FormatError{"the answer to fetch ends before the pack"}
		case line == "packfile":
			return nil
		default:
			if err := pack.note(line); err != nil {
				return err
			}
		}
	}
}

// headV0 reads the shallow lines, if the request asked for a depth, and the
// acknowledgement. Without multi_ack there is exactly one ACK or NAK after
// «done», and at most one ACK before it.
func (r Request) headV0(p *pktReader, c caps, pack *Pack) error {
	if r.Depth > 0 && c.has("shallow") {
		for {
			k, line, err := p.line()
			if err != nil {
				return err
			}
			if k != data {
				break
			}
			if err := pack.note(line); err != nil {
				return err
			}
		}
	}
	for {
		k, line, err := p.line()
		if err != nil {
			return err
		}
		if k != data || !strings.HasPrefix(line, "ACK ") && line != "NAK" {
			return &FormatError{fmt.Sprintf("%q in place of an acknowledgement", clean(line))}
		}
		if next, err := p.r.Peek(8); err != nil || !startsAck(next) {
			return nil
		}
	}
}

// startsAck tells whether another acknowledgement follows, and not the pack.
func startsAck(b []byte) bool {
	return len(b) == 8 && (string(b[4:]) == "ACK " || string(b[4:7]) == "NAK")
}

// maxShallow bounds the shallow lines of an answer.
const maxShallow = 10_000

func (pack *Pack) note(line string) error {
	id, ok := strings.CutPrefix(line, "shallow ")
	if !ok {
		return nil // unshallow, section names, acknowledgements
	}
	h, err := ParseHash(id)
	if err != nil {
		return &FormatError{fmt.Sprintf("%q before the pack", clean(line))}
	}
	if pack.Shallow = append(pack.Shallow, h); len(pack.Shallow) > maxShallow {
		return &TooManyError{maxShallow, "shallow commits"}
	}
	return nil
}

// sideband reads the pack out of the packets that carry it.
type sideband struct {
	p    *pktReader
	body io.Closer
	rest []byte
	err  error

	progress io.Writer // takes what the server tells people; nil drops it
}

// Read implements io.Reader.
func (s *sideband) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.rest, s.err = s.more()
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sideband) more() ([]byte, error) {
	k, b, err := s.p.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	case k != data:
		return nil, io.EOF
	case len(b) == 0:
		return nil, nil
	case b[0] == 1:
		return b[1:], nil
	case b[0] == 2:
		if s.progress != nil {
			s.progress.Write(b[1:])
		}
		return nil, nil
	case b[0] == 3:
		return nil, &ServerError{clean(string(b[1:]))}
	default:
		return nil, &FormatError{fmt.Sprintf("band %d in the pack", b[0])}
	}
}

// Close implements io.Closer.
func (s *sideband) Close() error { return s.body.Close() }
