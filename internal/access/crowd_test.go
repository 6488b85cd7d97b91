package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// other is a request of somebody, so many minutes after the one that is decided.
func other(name, who string, after int, phase Phase) Other {
	return Other{Name: name, Requester: who, Created: began.Add(time.Duration(after) * time.Minute), Phase: phase, Granted: phase == Active || phase == Ended}
}

func TestOnePersonHasSoManyRequests(t *testing.T) {
	tooMany := func(o Other, after int) Other {
		o.TooMany, o.Ended = true, began.Add(time.Duration(after)*time.Minute)
		return o
	}
	cases := []struct {
		name   string
		others []Other
		edit   func(c *Case)
		want   string // of the refusal; empty: it waits
		silent bool
	}{
		{name: "one of two", others: []Other{other("a", "alice", -5, Pending)}},
		{name: "two of two", others: []Other{other("b", "alice", -5, Active), other("a", "alice", -9, Pending)},
			want: "alice has as many requests in this cluster as one person may, 2: a (waits), b (granted); leat access end NAME ends one"},
		{name: "not looked at yet", others: []Other{other("a", "alice", -1, ""), other("b", "alice", -1, "")}, want: "a (waits), b (waits)"},
		{name: "of others", others: []Other{other("a", "bob", -5, Active), other("b", "bob", -5, Active)}},
		{name: "under another account", others: []Other{other("a", "alice-admin", -5, Active), other("b", "alice", -5, Active)}, want: "a (granted), b (granted)"},
		{name: "made later", others: []Other{other("a", "alice", 5, Pending), other("b", "alice", 5, Pending)}},
		{name: "made later and granted meanwhile", others: []Other{other("a", "alice", 5, Active), other("b", "alice", 5, Active)}, want: "a (granted), b (granted)"},
		{name: "made in the same second", others: []Other{other("q", "alice", 0, Pending), other("s", "alice", 0, Pending)}},
		{name: "itself", others: []Other{other("r", "alice", 0, Pending), other("q", "alice", 0, Pending)}},
		{name: "long over", others: []Other{other("a", "alice", -60, Ended), other("b", "alice", -11, Denied)}},
		{name: "asked and withdrawn in turn", others: []Other{other("a", "alice", -5, Denied), other("b", "alice", -9, Refused)}, want: "b (over, made at 2026-03-01T11:51:00Z), a (over, made at 2026-03-01T11:55:00Z)"},
		{name: "what was too many does not count", others: []Other{tooMany(other("a", "alice", -5, Refused), -5), other("b", "alice", -9, Pending)}},
		{name: "what was too many is told once", others: []Other{tooMany(other("z", "alice", -5, Refused), -5), other("a", "alice", -9, Pending), other("b", "alice", -9, Pending)}, want: "one person may, 2", silent: true},
		{name: "and again after a while", others: []Other{tooMany(other("z", "alice", -20, Refused), -11), other("a", "alice", -9, Pending), other("b", "alice", -9, Pending)}, want: "one person may, 2"},
		{name: "too many of another person", others: []Other{tooMany(other("z", "bob", -5, Refused), -5), other("a", "alice", -9, Pending), other("b", "alice", -9, Pending)}, want: "one person may, 2"},
		{name: "new, in an environment without rules", edit: func(c *Case) { c.Policy, c.Request.Status = nil, Status{} },
			others: []Other{other("a", "alice", -1, ""), other("b", "alice", -1, ""), other("c", "alice", -1, ""), other("d", "alice", -1, ""), other("e", "alice", -1, "")}, want: "one person may, 5"},
		{name: "waiting while the rules are away", edit: func(c *Case) { c.Policy = nil },
			others: []Other{other("a", "alice", -1, ""), other("b", "alice", -1, ""), other("c", "alice", -1, ""), other("d", "alice", -1, ""), other("e", "alice", -1, "")}},
		{name: "approved, and the rules are stricter since", edit: func(c *Case) { c.Decisions = []Decision{says("carol", Approve, 0)} },
			others: []Other{other("a", "alice", -9, Active), other("b", "alice", -9, Active)}, want: "one person may, 2"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := Case{Request: aRequest(), Policy: aPolicy(), NoPolicy: fmt.Errorf("none"), Others: test.others}
			c.Policy.Spec.PerPerson = 2
			if test.edit != nil {
				test.edit(&c)
			}
			got := Next(c, began)
			switch {
			case test.want == "" && (got.Phase != Pending || got.TooMany):
				t.Errorf("got %+v, want it to wait", got)
			case test.want != "" && (got.Phase != Refused || !got.TooMany || got.Silent != test.silent || !strings.Contains(got.Why, test.want)):
				t.Errorf("got %+v, want it refused with %q, silent: %t", got, test.want, test.silent)
			}
			if err := c.Room(began); (err != nil) != got.TooMany && c.Policy != nil {
				t.Errorf("room: got %v", err)
			}
		})
	}
}

func TestTheRefusalIsBounded(t *testing.T) {
	c := Case{Request: aRequest(), Policy: aPolicy()}
	c.Policy.Spec.PerPerson = 100
	for i := range 100 {
		c.Others = append(c.Others, other(strings.Repeat("x", 60)+fmt.Sprint(i), "alice", -1, Active))
	}
	if got := Next(c, began).Why; len(got) > 1200 || !strings.Contains(got, "90 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// flood plays a controller: what each step asks for is done to the requests.
type flood struct {
	there    map[string]Request
	runs     int
	told     int
	most     int // that were kept at once
	accepted []string
}

func (f *flood) others() []Other {
	var out []Other
	for _, r := range f.there {
		out = append(out, r.Other())
	}
	return out
}

func (f *flood) run(name string, now time.Time) {
	r := f.there[name]
	f.runs++
	step := Next(Case{Request: r, Policy: aPolicy(), Others: f.others()}, now)
	if step.Do == Forget {
		delete(f.there, name)
		return
	}
	if !step.Phase.Over() && r.Status.Phase == "" {
		f.accepted = append(f.accepted, name)
	}
	if (!step.TooMany || !step.Silent) && r.Status.Phase == "" {
		f.told++
	}
	r.Status.Phase = step.Phase
	if step.Phase.Over() && r.Status.End == nil {
		r.Status.End = &End{At: metav1.NewTime(now), TooMany: step.TooMany}
	}
	f.there[name] = r
	if step.Phase.Over() {
		for _, out := range CrowdedOut(f.others(), r.Spec.Requester.Username) {
			f.run(out, now)
		}
	}
}

// A thousand requests of one person: as many as the bound reach anybody, one is announced
// as too many, and no more are kept than the bound. The record of a grant stays.
func TestAThousandRequests(t *testing.T) {
	f := flood{there: map[string]Request{}}
	held := aRequest()
	held.Name, held.CreationTimestamp = "held", metav1.NewTime(began.Add(-48*time.Hour))
	held.Status = Status{Phase: Ended, Grant: &Held{User: held.User()}, End: &End{At: metav1.NewTime(began.Add(-47 * time.Hour))}}
	denied := held
	denied.Name, denied.Status = "denied", Status{Phase: Denied, End: &End{At: metav1.NewTime(began.Add(-47 * time.Hour))}}
	f.there["held"], f.there["denied"] = held, denied
	for i := range 1000 {
		r := aRequest()
		r.Name, r.Status = fmt.Sprintf("r-%04d", i), Status{}
		r.CreationTimestamp = metav1.NewTime(began.Add(time.Duration(i/10) * time.Second))
		f.there[r.Name] = r
		f.run(r.Name, r.CreationTimestamp.Time)
		f.most = max(f.most, len(f.there))
	}
	if want := []string{"r-0000", "r-0001", "r-0002", "r-0003", "r-0004"}; !slices.Equal(f.accepted, want) {
		t.Errorf("waits for approval: got %v, want %v", f.accepted, want)
	}
	if f.told != DefaultPerPerson+1 {
		t.Errorf("%d requests are announced, want those that wait and one that is too many", f.told)
	}
	if most := KeptPerPerson + DefaultPerPerson + 2; f.most > most {
		t.Errorf("%d requests are kept, want %d at most", f.most, most)
	}
	if f.runs > 2000 {
		t.Errorf("%d runs for 1000 requests", f.runs)
	}
	for _, name := range []string{"held", "denied", "r-0999"} {
		if _, there := f.there[name]; !there {
			t.Errorf("%s is forgotten", name)
		}
	}
}

func TestSuperfluous(t *testing.T) {
	d := says("carol", Approve, 0)
	again := func(n int, edit func(*Decision)) []Decision {
		var out []Decision
		for i := range n {
			o := says("carol", Approve, -1)
			o.Name = fmt.Sprint("again-", i)
			if edit != nil {
				edit(&o)
			}
			out = append(out, o)
		}
		return append(out, d)
	}
	for _, c := range []struct {
		name    string
		about   []Decision
		unknown bool
		after   int
		want    bool
		at      bool
	}{
		{name: "the only one", about: []Decision{d}},
		{name: "said before", about: again(maxWords-1, nil)},
		{name: "said often before", about: again(maxWords, nil), want: true},
		{name: "others said it", about: again(maxWords, func(d *Decision) { d.Spec.By.Username = "dave" })},
		{name: "something else was said", about: again(maxWords, func(d *Decision) { d.Spec.Verdict = Deny })},
		{name: "said often afterwards", about: again(maxWords, func(d *Decision) { d.CreationTimestamp = metav1.NewTime(began.Add(time.Minute)) })},
		{name: "about nothing, just made", about: []Decision{d}, unknown: true, at: true},
		{name: "about nothing", about: []Decision{d}, unknown: true, after: 10, want: true},
	} {
		got, at := Superfluous(d, c.about, func(RequestRef) bool { return !c.unknown }, began.Add(time.Duration(c.after)*time.Minute))
		if got != c.want || at.IsZero() == c.at {
			t.Errorf("%s: got %t, again at %s", c.name, got, at)
		}
	}
}

// What is read of an object is what counts of the decoded one.
func TestOtherOf(t *testing.T) {
	for _, edit := range []func(*Request){
		func(*Request) {},
		func(r *Request) { r.Status.Phase, r.Status.Grant = Active, &Held{User: r.User()} },
		func(r *Request) {
			r.Status.Phase, r.Status.End = Refused, &End{At: metav1.NewTime(began.Add(time.Hour)), TooMany: true}
		},
	} {
		r := aRequest()
		edit(&r)
		raw, err := Encode(&r)
		if err != nil {
			t.Fatal(err)
		}
		got, want := OtherOf(&unstructured.Unstructured{Object: raw}), r.Other()
		if !got.Created.Equal(want.Created) || !got.Ended.Equal(want.Ended) {
			t.Errorf("times: got %v, want %v", got, want)
		}
		got.Created, got.Ended = want.Created, want.Ended
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}
