package report

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxMessage bounds a condition's message, in bytes (kustomize-controller
// api/v1 MaxConditionMessageLength).
const maxMessage = 20000

// conditions edits a list of conditions the way the API conventions ask: the
// transition time moves only when the status does.
type conditions struct {
	list       []metav1.Condition
	generation int64
	now        metav1.Time
}

func edit(old []metav1.Condition, generation int64, now time.Time) *conditions {
	return &conditions{slices.Clone(old), generation, metav1.NewTime(now.UTC().Truncate(time.Second))}
}

func (c *conditions) set(kind string, status metav1.ConditionStatus, reason, message string) {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage-1], "") + "…"
	}
	next := metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: c.generation, LastTransitionTime: c.now,
	}
	i := slices.IndexFunc(c.list, func(have metav1.Condition) bool { return have.Type == kind })
	if i < 0 {
		c.list = append(c.list, next)
		return
	}
	if c.list[i].Status == status {
		next.LastTransitionTime = c.list[i].LastTransitionTime
	}
	c.list[i] = next
}

func (c *conditions) yes(kind, reason, message string) {
	c.set(kind, metav1.ConditionTrue, reason, message)
}

func (c *conditions) no(kind, reason, message string) {
	c.set(kind, metav1.ConditionFalse, reason, message)
}

func (c *conditions) unknown(kind, reason, message string) {
	c.set(kind, metav1.ConditionUnknown, reason, message)
}

// unverified says of a signature that was asked for that it was not verified, whatever a
// controller before us found; nothing is verified here yet.
func (c *conditions) unverified(p *Problem) {
	if p.Reason == ReasonVerification {
		c.no(SourceVerified, p.Reason, p.Error())
	}
}

// keep says that a condition still holds for the present generation.
func (c *conditions) keep(kind string) {
	if have := c.get(kind); have != nil {
		have.ObservedGeneration = c.generation
	}
}

func (c *conditions) drop(kinds ...string) {
	c.list = slices.DeleteFunc(c.list, func(have metav1.Condition) bool { return slices.Contains(kinds, have.Type) })
}

func (c *conditions) get(kind string) *metav1.Condition {
	for i := range c.list {
		if c.list[i].Type == kind {
			return &c.list[i]
		}
	}
	return nil
}

// sorted returns the conditions in the order that Flux writes: Ready's
// companions first by kind of news, the rest by name.
func (c *conditions) sorted() []metav1.Condition {
	rank := func(kind string) int {
		return 1 + slices.Index([]string{Reconciling, StalledCondition, Ready}, kind)
	}
	slices.SortStableFunc(c.list, func(a, b metav1.Condition) int {
		ra, rb := rank(a.Type), rank(b.Type)
		switch {
		case ra == 0 && rb == 0:
			return strings.Compare(a.Type, b.Type)
		case ra == 0 || rb == 0:
			return rb - ra
		default:
			return ra - rb
		}
	})
	return c.list
}
