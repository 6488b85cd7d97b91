package forgetest

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// heard is what went through a Published: each entry says it again to another, and
// returns what that one has against it.
type heard struct {
	mu   sync.Mutex
	said []func(*Published) error
}

func (h *heard) add(again func(*Published) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, again)
}

// hear keeps a request and its body.
func (p *Published) hear(r *http.Request, body []byte) {
	if p.heard == nil {
		return
	}
	p.heard.add(func(q *Published) error {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		_, err := q.Request(again)
		return err
	})
}

// hearAnswer keeps an answer as the server wrote it.
func (p *Published) hearAnswer(o *Operation, status int, body []byte) {
	if p.heard == nil {
		return
	}
	p.heard.add(func(q *Published) error {
		_, err := q.operations[o.Name].Answer(status, body)
		return err
	})
}

// StillNeeds holds every place of Unpublished to what was said so far: without it
// something of that must be refused, else a newer document, or another way to ask, has
// made the exception idle.
func (p *Published) StillNeeds(t *testing.T) {
	t.Helper()
	if only := flag.Lookup("test.run"); only != nil && strings.Contains(only.Value.String(), "/") {
		return // a part of the cases says a part of it
	}
	for at, why := range p.but {
		rest := maps.Clone(p.but)
		delete(rest, at)
		q, err := readPublished(p.source, rest)
		if err != nil {
			t.Fatalf("read the published document without the exception %q: %v", at, err)
		}
		q.Path, q.NoNulls, q.Paging, q.Wrapped, q.Besides = p.Path, p.NoNulls, p.Paging, p.Wrapped, p.Besides
		if p.heard.refusedBy(q) == nil {
			t.Errorf("the document is said to lack %q (%s), but nothing that was said needs that: take it out of the exceptions", at, why)
		}
	}
}

// refusedBy is the first refusal of a document, nil for none.
func (h *heard) refusedBy(q *Published) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, again := range h.said {
		if err := again(q); err != nil {
			return fmt.Errorf("what was said as number %d: %w", i, err)
		}
	}
	return nil
}
