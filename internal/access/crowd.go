package access

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Bounds of what one person has in a cluster.
const (
	// DefaultPerPerson is how many requests of one person wait or hold at once.
	DefaultPerPerson = 5
	// Rush is how long a request counts though it is over: who asks and withdraws in
	// turn asks approvers all the same.
	Rush = MinFor
	// KeptPerPerson is how many requests of one account are kept that are over and never
	// granted anything. Grants are kept for their whole time: their holder must not be
	// able to push the record out.
	KeptPerPerson = 50
	// maxNamed bounds how many requests an error names.
	maxNamed = 10
	// maxWords is how many times somebody says the same about one request.
	maxWords = 5
	// StrayAfter is how long a decision about no request that is there is kept: what
	// people have written must not go because a watch is behind.
	StrayAfter = 10 * time.Minute
)

// Other is a request beside the one that is decided, as far as it counts for the bounds.
type Other struct {
	Name, Requester string
	Created, Ended  time.Time
	Phase           Phase
	Granted         bool // it holds, or held
	TooMany         bool // it was refused because there were too many
}

// OtherOf reads what counts of an AccessRequest, at a fraction of what decoding costs.
func OtherOf(u *unstructured.Unstructured) Other {
	text := func(path ...string) string {
		s, _, _ := unstructured.NestedString(u.Object, path...)
		return s
	}
	tooMany, _, _ := unstructured.NestedBool(u.Object, "status", "end", "tooMany")
	ended, _ := time.Parse(time.RFC3339, text("status", "end", "at")) // zero where it has not
	return Other{
		Name: u.GetName(), Requester: text("spec", "requester", "username"), Created: u.GetCreationTimestamp().Time, Ended: ended,
		Phase: Phase(text("status", "phase")), Granted: text("status", "grant", "user") != "", TooMany: tooMany,
	}
}

// Other is what counts of a request for others.
func (r Request) Other() Other {
	out := Other{Name: r.Name, Requester: r.Spec.Requester.Username, Created: r.CreationTimestamp.Time, Phase: r.Status.Phase, Granted: r.Status.Grant != nil}
	if r.Status.End != nil {
		out.Ended, out.TooMany = r.Status.End.At.Time, r.Status.End.TooMany
	}
	return out
}

// older orders requests by when they were made.
func older(a, b Other) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
}

// ahead returns the requests of the person that count before this one: those that hold,
// and of those made earlier the ones that wait, or were made a moment ago.
func (c Case) ahead(now time.Time) []Other {
	own := c.Request.Other()
	var out []Other
	for _, o := range c.ofPerson() {
		earlier := older(o, own) < 0 && (!o.Phase.Over() || now.Before(o.Created.Add(Rush)))
		if !o.TooMany && (o.Phase == Active || earlier) {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, older)
	return out
}

// ofPerson are the other requests of who made this one, under whichever account.
func (c Case) ofPerson() []Other {
	own := c.Request
	var out []Other
	for _, o := range c.Others {
		if o.Name != own.Name && c.Policy.person(o.Requester) == c.Policy.person(own.Spec.Requester.Username) {
			out = append(out, o)
		}
	}
	return out
}

// Room tells why a request that is to be made would be refused for what its person has
// already.
func (c Case) Room(now time.Time) error {
	if step, refused := c.crowded(now); refused {
		return errors.New(step.Why)
	}
	return nil
}

// crowded refuses a request of somebody who has as many as they may.
func (c Case) crowded(now time.Time) (Step, bool) {
	ahead, bound := c.ahead(now), c.Policy.perPerson()
	if len(ahead) < bound {
		return Step{}, false
	}
	return Step{Phase: Refused, TooMany: true, Silent: c.toldLately(now), Why: tooMany(c.Request.Spec.Requester, ahead, bound)}, true
}

func tooMany(who Person, have []Other, bound int) string {
	counted := min(len(have), bound) // what follows may be refused yet
	named := make([]string, 0, maxNamed)
	for _, o := range have[:min(counted, maxNamed)] {
		named = append(named, o.Name+" ("+o.state()+")")
	}
	if more := counted - len(named); more > 0 {
		named = append(named, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s has as many requests in this cluster as one person may, %d: %s; leat access end NAME ends one, and each counts until %s after it was made",
		Quote(who.Username), bound, strings.Join(named, ", "), Rush)
}

func (o Other) state() string {
	switch {
	case o.Phase == Active:
		return "granted"
	case o.Phase.Over():
		return "over, made at " + o.Created.UTC().Format(time.RFC3339)
	}
	return "waits"
}

// toldLately tells whether it was announced lately that the person asks too much.
func (c Case) toldLately(now time.Time) bool {
	return slices.ContainsFunc(c.ofPerson(), func(o Other) bool { return o.TooMany && now.Before(o.Ended.Add(Rush)) })
}

// CrowdedOut returns the names of an account's requests that are over, never granted
// anything and are too many: first those that were too many when they came, then the oldest.
func CrowdedOut(all []Other, requester string) []string {
	var kept []Other
	for _, o := range all {
		if o.Requester == requester && o.Phase.Over() && !o.Granted {
			kept = append(kept, o)
		}
	}
	if len(kept) <= KeptPerPerson {
		return nil
	}
	slices.SortFunc(kept, func(a, b Other) int {
		if a.TooMany == b.TooMany {
			return older(a, b)
		} else if a.TooMany {
			return -1
		}
		return 1
	})
	out := make([]string, len(kept)-KeptPerPerson)
	for i := range out {
		out[i] = kept[i].Name
	}
	return out
}

// Superfluous tells whether a decision need not be kept: it is about a request that is
// not there, or repeats what the same person said about it often enough. The time is
// when that may change; zero is never. about are all decisions on the same request.
func Superfluous(d Decision, about []Decision, known func(RequestRef) bool, now time.Time) (bool, time.Time) {
	same := 0
	for _, o := range about {
		if o.Name != d.Name && o.Spec.Verdict == d.Spec.Verdict && o.Spec.By.Username == d.Spec.By.Username && saidBefore(o, d) < 0 {
			same++
		}
	}
	if same >= maxWords {
		return true, time.Time{}
	}
	if known(d.Spec.Request) {
		return false, time.Time{}
	}
	at := d.CreationTimestamp.Add(StrayAfter)
	if now.Before(at) {
		return false, at
	}
	return true, time.Time{}
}
