package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Update moves one ref: from a zero Old it is made, to a zero New it is deleted.
// The server refuses it when the ref does not stand at Old.
type Update struct {
	Name     string
	Old, New Hash
}

// Push is what is sent to git-receive-pack (gitprotocol-pack, «Pushing Data To a
// Server»).
type Push struct {
	Updates []Update
	// Pack makes the pack of what the server lacks, given the refs that it has. It
	// is read once and closed. It is not asked when refs are only deleted.
	Pack func(have []Ref) (io.ReadSeekCloser, error)
}

// RefusedError says why a server left refs as they are. None of a push with
// several updates was done.
type RefusedError struct {
	Refs map[string]string // name → the server's word, such as non-fast-forward
	Text string            // what its hooks say
}

// Error implements error.
func (e *RefusedError) Error() string {
	var list []string
	for name, why := range e.Refs {
		list = append(list, name+" ("+why+")")
	}
	slices.Sort(list)
	s := "the server refused " + strings.Join(list, ", ")
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// ErrNotAtomic is the answer of a server that cannot move several refs together.
var ErrNotAtomic = errors.New("the server cannot move several refs at once, all or none")

// The content types of the other half of the protocol.
const (
	typePush       = "application/x-git-receive-pack-request"
	typePushResult = "application/x-git-receive-pack-result"
	typePushAdvert = "application/x-git-receive-pack-advertisement"
)

// begin makes the head of the request: the commands, after which the pack follows.
func (p Push) begin(c caps) ([]byte, error) {
	list := " report-status"
	if len(p.Updates) > 1 {
		if !c.has("atomic") {
			return nil, ErrNotAtomic
		}
		list += " atomic"
	}
	for _, want := range []string{"side-band-64k", "ofs-delta"} {
		if c.has(want) {
			list += " " + want
		}
	}
	if c.has("agent") {
		list += " agent=" + agent
	}
	var out pkts
	for _, u := range p.Updates {
		if !ValidName(u.Name) {
			return nil, fmt.Errorf("%.100q is no name of a ref", u.Name)
		}
		out.add("%s %s %s\x00%s\n", u.Old, u.New, u.Name, list)
		list = ""
	}
	out.flush()
	return out.b, nil
}

// body returns the whole request; the caller closes what is not nil.
func (p Push) body(c caps, have []Ref) (io.ReadSeekCloser, []byte, error) {
	if !c.has("report-status") {
		return nil, nil, &FormatError{"it does not report what became of a push"}
	}
	head, err := p.begin(c)
	if err != nil || p.deletesOnly() {
		return nil, head, err
	}
	pack, err := p.Pack(have)
	return pack, head, err
}

func (p Push) deletesOnly() bool {
	return !slices.ContainsFunc(p.Updates, func(u Update) bool { return !u.New.IsZero() })
}

// maxReport bounds the answer to a push.
const maxReport = 4 << 20

// readReport reads what became of a push.
func (p Push) readReport(r *pktReader, c caps) error {
	said := &tail{}
	if c.has("side-band-64k") {
		s := &sideband{p: r, body: io.NopCloser(nil), progress: said}
		r = newPktReader(s)
	}
	refused := &RefusedError{Refs: map[string]string{}}
	k, line, err := r.line()
	if err != nil {
		return err
	}
	if k != data || !strings.HasPrefix(line, "unpack ") {
		return &FormatError{fmt.Sprintf("%q in place of a report", clean(line))}
	}
	if line != "unpack ok" {
		return &ServerError{clean(line + " " + said.text())}
	}
	done := map[string]bool{}
	for {
		k, line, err := r.line()
		if err != nil {
			return err
		}
		if k != data {
			break
		}
		if name, ok := strings.CutPrefix(line, "ok "); ok {
			done[name] = true
		} else if rest, ok := strings.CutPrefix(line, "ng "); ok {
			name, why, _ := strings.Cut(rest, " ")
			refused.Refs[name] = clean(why)
		}
	}
	for _, u := range p.Updates {
		if !done[u.Name] && refused.Refs[u.Name] == "" {
			refused.Refs[u.Name] = "not reported"
		}
	}
	if len(refused.Refs) == 0 {
		return nil
	}
	if c.has("side-band-64k") {
		io.Copy(io.Discard, io.LimitReader(r.r, maxReport)) // what hooks say may come last
	}
	refused.Text = said.text()
	return refused
}

// Push sends updates of refs with what they need.
func (h *HTTP) Push(ctx context.Context, p Push) error {
	svc := service{name: "git-receive-pack", advert: typePushAdvert}
	all := ListOptions{Prefixes: []string{"refs/"}, MaxRefs: maxPushRefs, MaxBytes: maxAdvert}
	base, c, have, err := h.discoverService(ctx, svc, all)
	if err != nil {
		return err
	}
	pack, head, err := p.body(c, have)
	if err != nil {
		return err
	}
	body := io.Reader(bytes.NewReader(head))
	length := int64(len(head))
	if pack != nil {
		defer pack.Close()
		size, err := pack.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = pack.Seek(0, io.SeekStart)
		}
		if err != nil {
			return err
		}
		body, length = io.MultiReader(body, pack), length+size
	}
	res, err := h.send(ctx, base.JoinPath(svc.name), body, length)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return statusError(res)
	}
	if t := res.Header.Get("Content-Type"); !strings.HasPrefix(t, typePushResult) {
		return &FormatError{fmt.Sprintf("it answers with %.60q", t)}
	}
	return p.readReport(newPktReader(io.LimitReader(res.Body, maxReport)), c)
}

// maxPushRefs bounds the refs that are looked at before a push.
const maxPushRefs = 200_000

// send posts a pack.
func (h *HTTP) send(ctx context.Context, to *url.URL, body io.Reader, length int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), io.NopCloser(body))
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", typePush)
	req.Header.Set("Accept", typePushResult)
	req.Header.Set("User-Agent", userAgent)
	if !sameHost(to, h.o.URL) {
		return h.o.Elsewhere.RoundTrip(req)
	}
	if h.o.Authorize != nil {
		h.o.Authorize(req)
	}
	return h.o.Transport.RoundTrip(req)
}

// Push sends updates of refs with what they need.
func (s *SSH) Push(ctx context.Context, p Push) error {
	all := ListOptions{Prefixes: []string{"refs/"}, MaxRefs: maxPushRefs, MaxBytes: maxAdvert}
	ch, err := s.openService(ctx, "git-receive-pack", func(r io.Reader) io.Reader { return io.LimitReader(r, maxAdvert+maxReport) })
	if err != nil {
		return err
	}
	defer ch.Close()
	c, have, err := readAdvert(ch.out, all)
	if err != nil {
		return ch.explain(ctx, err)
	}
	pack, head, err := p.body(c, have)
	if err != nil {
		io.WriteString(ch.in, "0000") // nothing is asked
		return err
	}
	_, err = ch.in.Write(head)
	if pack != nil {
		defer pack.Close()
		if err == nil {
			_, err = io.Copy(ch.in, pack)
		}
	}
	if err == nil {
		err = p.readReport(ch.out, c)
	}
	return ch.explain(ctx, err)
}
