package kube

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

// metadataOnly asks for objects without spec and status.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// watchTimeout is how long the server holds a watch, in seconds: longer than
// any phase.
const watchTimeout = "7200"

// maxEvent bounds a line of a watch, in bytes.
const maxEvent = 16 << 20

// Watch says what to watch.
type Watch struct {
	Kind         Kind
	Namespace    string // empty for all
	Name         string // empty for all
	MetadataOnly bool
	// From is the resourceVersion to start after. Empty starts with an ADDED
	// event for all that exists.
	From string
}

// Event is one line of a watch.
type Event struct {
	Type            string // ADDED, MODIFIED, DELETED
	Object          json.RawMessage
	ResourceVersion string    // of the object
	At              time.Time // when it arrived here
}

// ErrWatchEnded says that the server closed a watch, as it does when the kind's
// definition changes or a watcher is slow.
var ErrWatchEnded = errors.New("the server ended the watch")

// backlog is how many events may wait for see: reading on keeps the server from
// taking this watcher for a slow one, and the times of arrival true.
const backlog = 16 << 10

// Watch calls see for each event, one after the other, until ctx ends, which
// gives nil. started is called once the server has answered. A refusal, also one
// that comes later, is a StatusError.
func (c *Client) Watch(ctx context.Context, w Watch, started func(), see func(Event)) error {
	r := w.request()
	response, err := c.open(ctx, r)
	if err != nil {
		return fmt.Errorf("watch %s: %w", r.path, err)
	}
	defer func() {
		response.Body.Close()
		c.count(r, response.StatusCode)
	}()
	if response.StatusCode != 200 {
		return fmt.Errorf("watch %s: %w", r.path, &StatusError{Code: response.StatusCode})
	}
	started()
	lines := make(chan line, backlog)
	read := make(chan error, 1)
	go func() {
		read <- readLines(response.Body, lines)
		close(lines)
	}()
	for l := range lines {
		e, err := l.event()
		if err != nil {
			response.Body.Close()
			for range lines { // let the reader end
			}
			return fmt.Errorf("watch %s: %w", r.path, err)
		}
		see(e)
	}
	if err := <-read; ctx.Err() == nil {
		return fmt.Errorf("watch %s: %w", r.path, errors.Join(ErrWatchEnded, err))
	}
	return nil
}

// line is a line of a watch as it arrived.
type line struct {
	text []byte
	at   time.Time
}

func readLines(r io.Reader, to chan<- line) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	for lines.Scan() {
		to <- line{bytes.Clone(lines.Bytes()), time.Now()}
	}
	return lines.Err()
}

func (l line) event() (Event, error) {
	var e struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(l.text, &e); err != nil {
		return Event{}, err
	}
	if e.Type == "ERROR" {
		var status struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(e.Object, &status)
		return Event{}, &StatusError{Code: status.Code, Body: status.Message}
	}
	return Event{e.Type, e.Object, resourceVersion(e.Object), l.at}, nil
}

// resourceVersion finds the first resourceVersion of an object, which is that of
// its metadata, without decoding the rest once more.
func resourceVersion(object []byte) string {
	_, rest, _ := bytes.Cut(object, []byte(`"resourceVersion":"`))
	version, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return ""
	}
	return string(version)
}

func (w Watch) request() request {
	query := url.Values{"watch": {"true"}, "timeoutSeconds": {watchTimeout}}
	if w.Name != "" {
		query.Set("fieldSelector", "metadata.name="+w.Name)
	}
	if w.From != "" {
		query.Set("resourceVersion", w.From)
	}
	r := request{verb: "WATCH", kind: w.Kind, path: w.Kind.Path(w.Namespace, ""), query: query}
	if w.MetadataOnly {
		r.accept = metadataOnly
	}
	return r
}
