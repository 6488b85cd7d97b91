package access

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// maxAuditLine bounds one event of an audit log, and maxAudited how many are told.
const (
	maxAuditLine = 4 << 20
	maxAudited   = 10_000
)

// Audited is one request of a holder that changed something, as the API server's audit
// log has it (audit.k8s.io/v1, JSON lines).
type Audited struct {
	At        time.Time `json:"at"`
	Verb      string    `json:"verb"`
	Group     string    `json:"group,omitempty"`
	Resource  string    `json:"resource"` // with subresource
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name,omitempty"`
	Code      int       `json:"code"` // of the answer
}

// Audit is what a log says of a holder.
type Audit struct {
	Writes []Audited `json:"writes"`
	// Gap says which part of the time the log does not show; empty: none.
	Gap string `json:"gap,omitempty"`
}

// auditEvent is the part of an event that is read.
type auditEvent struct {
	Stage, Verb              string
	RequestReceivedTimestamp time.Time
	User                     struct{ Username string }
	ObjectRef                struct{ Resource, Namespace, Name, APIGroup, Subresource string }
	ResponseStatus           struct{ Code int }
}

// ReadAudit finds what a user changed. A log tells nothing of the time before its first
// event and after its last one, by whomever.
func ReadAudit(log io.Reader, user string, w Window) (Audit, error) {
	var out Audit
	var first, last time.Time
	lines := bufio.NewScanner(log)
	lines.Buffer(make([]byte, 64<<10), maxAuditLine)
	n := 1
	for ; lines.Scan(); n++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return out, fmt.Errorf("read the audit log, line %d: %w", n, err)
		}
		at := e.RequestReceivedTimestamp
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		if e.User.Username != user || !e.changes() {
			continue
		}
		if len(out.Writes) == maxAudited {
			return out, fmt.Errorf("the audit log has more than %d writes of %s", maxAudited, user)
		}
		out.Writes = append(out.Writes, e.audited())
	}
	if err := lines.Err(); err != nil {
		return out, fmt.Errorf("read the audit log, line %d (%d bytes at most): %w", n, maxAuditLine, err)
	}
	if first.IsZero() {
		return out, errors.New("read the audit log: it is empty")
	}
	out.Gap = gap(first, last, w)
	return out, nil
}

func gap(first, last time.Time, w Window) string {
	switch {
	case first.After(w.Until) || last.Before(w.From):
		return "the log shows nothing of the time of the grant"
	case first.After(w.From):
		return "the log begins at " + first.UTC().Format(time.RFC3339) + ", after the grant"
	case last.Before(w.Until):
		return "the log ends at " + last.UTC().Format(time.RFC3339) + ", before the grant did"
	}
	return ""
}

// changes tells whether an event is the end of a request that may have changed something.
func (e auditEvent) changes() bool {
	// Commands in containers are begun by GET as well as by POST.
	connects := e.ObjectRef.Subresource == "exec" || e.ObjectRef.Subresource == "attach"
	return e.Stage == "ResponseComplete" && (slices.Contains(writes, e.Verb) || connects)
}

func (e auditEvent) audited() Audited {
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return Audited{
		At: e.RequestReceivedTimestamp, Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: resource,
		Namespace: e.ObjectRef.Namespace, Name: e.ObjectRef.Name, Code: e.ResponseStatus.Code,
	}
}
