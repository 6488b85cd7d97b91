// Package wire speaks Git's protocol as a client: it lists the refs of a server
// and fetches packs, in protocol version 2 where the server has it and version 0
// elsewhere, and pushes (gitprotocol-v2, gitprotocol-pack, gitprotocol-http in
// Git's documentation).
//
//	c := wire.NewHTTP(wire.HTTPOptions{URL: u, …})
//	refs, err := c.List(ctx, wire.ListOptions{Prefixes: []string{"refs/heads/"}})
//	pack, err := c.Fetch(ctx, wire.Request{Wants: …, Depth: 1})
//
// go-git's own transports are not used because they take redirects, credentials,
// dialling without a context and unbounded answers out of our hands. This
// package must never send a credential to another host than the one it was
// given for, nor hold more of an answer than its limits say.
package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxPkt is the longest packet with its length (gitprotocol-common).
const maxPkt = 65520

// kind of a packet.
type kind uint8

const (
	data kind = iota
	flush
	delim
	end
)

// pktReader reads packets one by one.
type pktReader struct {
	r   *bufio.Reader
	buf [maxPkt]byte
}

func newPktReader(r io.Reader) *pktReader {
	return &pktReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the payload of the next packet, valid until the next call. An
// error that the server sends in its place comes back as a *ServerError.
func (p *pktReader) next() (kind, []byte, error) {
	if _, err := io.ReadFull(p.r, p.buf[:4]); err != nil {
		return data, nil, err
	}
	n, err := strconv.ParseUint(string(p.buf[:4]), 16, 16)
	if err != nil {
		return data, nil, &FormatError{fmt.Sprintf("a packet starts with %q", p.buf[:4])}
	}
	switch {
	case n == 0:
		return flush, nil, nil
	case n == 1:
		return delim, nil, nil
	case n == 2:
		return end, nil, nil
	case n < 4 || n > maxPkt:
		return data, nil, &FormatError{fmt.Sprintf("a packet has length %d", n)}
	}
	b := p.buf[:n-4]
	if _, err := io.ReadFull(p.r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return data, nil, err
	}
	if text, ok := strings.CutPrefix(string(b[:min(len(b), 5)]), "ERR "); ok {
		return data, nil, &ServerError{clean(text + string(b[min(len(b), 5):]))}
	}
	return data, b, nil
}

// line is next without the newline at the end.
func (p *pktReader) line() (kind, string, error) {
	k, b, err := p.next()
	return k, strings.TrimSuffix(string(b), "\n"), err
}

// pkts collects packets to send.
type pkts struct{ b []byte }

func (p *pkts) add(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	p.b = fmt.Appendf(p.b, "%04x%s", len(line)+4, line)
}

func (p *pkts) flush() { p.b = append(p.b, "0000"...) }
func (p *pkts) delim() { p.b = append(p.b, "0001"...) }

// FormatError says that the answer is not Git's protocol.
type FormatError struct{ What string }

// Error implements error.
func (e *FormatError) Error() string { return "the server does not speak Git's protocol: " + e.What }

// ServerError is what the server says is wrong.
type ServerError struct{ Text string }

// Error implements error.
func (e *ServerError) Error() string { return "the server says: " + e.Text }

// maxText bounds what is repeated of a server's text.
const maxText = 300

// clean makes a server's text fit for one line of a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
