// Package health says whether an object has become what was asked for.
//
//	result := health.Of(obj, health.Rules{Custom: checks, Now: now})
//	verdict := health.Fold(results, health.Wait{Since: start, Timeout: t, Now: now, FailFast: true})
//
// The rules are those of kstatus (fluxcd/cli-utils v1.2.3 pkg/kstatus/status)
// with the additions of Flux: Jobs are awaited until they complete, and users
// write expressions for their own kinds. Kinds for which we have rules of our
// own stand in one file per group of kinds. The package reads nothing but its
// arguments; the time is one of them.
package health

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/cel"
)

// Status is the state of an object, with the names of kstatus.
type Status string

// The states.
const (
	Current     Status = "Current"
	InProgress  Status = "InProgress"
	Failed      Status = "Failed"
	Terminating Status = "Terminating"
	NotFound    Status = "NotFound"
	// Unknown is the state of an object that no rule could make sense of;
	// Result.Err says why.
	Unknown Status = "Unknown"
)

// Result is the health of one object.
type Result struct {
	Status  Status
	Message string
	// Err says why the status is Unknown, or that an expression cannot be
	// afforded; nil otherwise.
	Err error
	// Simulated tells that the object says of itself that it ran on simulated
	// nodes, so that Current means «would be».
	Simulated bool
	// Assumed tells that Current is taken for granted: whoever would bring it does
	// not work in this world.
	Assumed bool
	// Until is when the same object may get another result just because time
	// passes; zero means never.
	Until time.Time
}

// Rules is what the health of an object depends on beside itself.
type Rules struct {
	// Custom are the checks of spec.healthCheckExprs.
	Custom cel.Health
	// Pods are the pods that the object's selector finds, for kinds that
	// ReadsPods names; nil is fine and only makes failures known later.
	Pods []*unstructured.Unstructured
	// Now is the time; with the zero time a pod that cannot be scheduled is
	// never found to have failed.
	Now time.Time
}

// Of returns the health of obj; nil is an object that does not exist. It
// changes nothing in obj.
func Of(obj *unstructured.Unstructured, rules Rules) Result {
	if obj == nil {
		return Result{Status: NotFound, Message: "Resource not found"}
	}
	result := rules.of(obj)
	result.Simulated = isSimulated(obj)
	return result
}

func (r Rules) of(obj *unstructured.Unstructured) Result {
	gk := obj.GroupVersionKind().GroupKind()
	if gk == jobKind {
		return ofJob(obj)
	}
	if check, ok := r.Custom.For(gk); ok {
		return ofCustom(obj, check)
	}
	if gk == podKind {
		return r.ofPod(obj)
	}
	result := compute(obj)
	if ReadsPods(gk) && result.Status == InProgress {
		return r.failedByPods(result)
	}
	return result
}

// ofCustom asks the user's own expressions, and nothing else.
func ofCustom(obj *unstructured.Unstructured, check cel.Check) Result {
	outcome, err := check.Eval(obj.Object)
	if errors.Is(err, cel.ErrTooExpensive) {
		return Result{Status: Failed, Message: err.Error(), Err: err} // it is no cheaper later
	}
	if err != nil {
		return Result{Status: Unknown, Message: err.Error(), Err: err}
	}
	return Result{Status: Status(outcome)}
}

// compute asks kstatus, which trusts the shape of some fields.
func compute(obj *unstructured.Unstructured) (result Result) {
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("read status of %s: unexpected shape: %v", obj.GetKind(), r)
			result = Result{Status: Unknown, Message: err.Error(), Err: err}
		}
	}()
	computed, err := status.Compute(obj)
	if err != nil {
		return Result{Status: Unknown, Message: err.Error(), Err: err}
	}
	return Result{Status: Status(computed.Status), Message: cmp.Or(whyStalled(obj, computed.Status), computed.Message)}
}

// whyStalled is what Ready says of an object that is stalled: the condition Stalled,
// which kstatus reads, says that no attempt is left, and not what failed.
func whyStalled(obj *unstructured.Unstructured, s status.Status) string {
	if s != status.FailedStatus {
		return ""
	}
	for _, c := range itemsOf(obj, "status", "conditions") {
		if text(c, "type") == "Ready" && text(c, "status") == "False" {
			return text(c, "message")
		}
	}
	return ""
}

// Trivial tells whether an object of the kind is Current as soon as it exists,
// for all that these rules say: nothing beside its metadata is looked at.
func (r Rules) Trivial(gk schema.GroupKind) bool {
	_, custom := r.Custom.For(gk)
	return !custom && Trivial(gk)
}
