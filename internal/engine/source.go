package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/report"
	"github.com/leat-dev/leat/internal/unit"
)

// sharing is how long the answer of a remote serves others that share it.
const sharing = 10 * time.Second

// since lets sources of one remote share its answers, unless a person asked:
// then only what is newer than the question counts.
func since(o metav1.Object, handled string, interval time.Duration, now time.Time) time.Time {
	if at := unit.Requested(o.GetAnnotations()); at != "" && at != handled {
		return now
	}
	return now.Add(-min(sharing, interval/2))
}

// credential returns the data of a Secret that a source names.
func (v view) credential(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	data, err := v.secretData(ctx, namespace, name)
	if err != nil {
		return nil, report.Retry(report.ReasonAuthFailed, err)
	}
	if data == nil {
		return nil, report.Missing(report.ReasonAuthFailed, fmt.Errorf("failed to get secret '%s/%s': secrets %q not found", namespace, name, name),
			"Secret/"+namespace+"/"+name)
	}
	return data, nil
}

// collect removes what retention no longer covers beside the artifact of the status. It goes
// before a new one is stored (source-controller v1.9.5, reconcileStorage): whoever read the
// status a moment ago still finds what it names.
func (e *Engine) collect(key object.Key, present *meta.Artifact) {
	if present == nil {
		return
	}
	if err := e.Store.Collect(key, present); err != nil {
		e.log().Warn("old artifacts were not removed", "unit", key, "error", err)
	}
}

// removeSource drops what a deleted source stored.
func (e *Engine) removeSource(key object.Key) report.Report {
	rep := report.Report{Unit: key, Finalize: true}
	if err := e.Store.RemoveAll(key); err != nil {
		rep.Events = []report.Event{{Warning: true, Reason: report.ReasonArchiveFailed, Message: strings.TrimSpace(err.Error())}}
	}
	return rep
}
