package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	Type   string // ADDED, MODIFIED, DELETED
	Object json.RawMessage
	At     time.Time // when it arrived here
}

// ErrWatchEnded says that the server closed a watch.
var ErrWatchEnded = errors.New("the server ended the watch")

// Watch calls see for each event until ctx ends, which gives nil. started is
// called once the server has answered. The Object of an event is only valid
// during the call.
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
		return fmt.Errorf("watch %s: HTTP %d", r.path, response.StatusCode)
	}
	started()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 64<<10), maxEvent)
	for lines.Scan() {
		at := time.Now()
		var line struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("watch %s: %w", r.path, err)
		}
		if line.Type == "ERROR" {
			return fmt.Errorf("watch %s: %.300s", r.path, line.Object)
		}
		see(Event{line.Type, line.Object, at})
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("watch %s: %w", r.path, errors.Join(ErrWatchEnded, lines.Err()))
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
