// Package gate decides whether a change may go into an environment: who must
// approve it, what an approval is bound to, and when the environment is open.
//
//	v := gate.Approvals(rule, change, reviews, people)
//	o := gate.Opening(windows, freezes, now)
//	fmt.Println(v.Missing, v.From, o.Open, o.Next)
//
// Everything here is computed from values: who reads them from a forge, from Git
// or from a cluster must take the rules from the base branch, never from the
// change that they judge.
package gate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/persons"
)

// Rule says whose approval an environment needs.
type Rule struct {
	Count  int // at least; 0 asks for nobody
	Users  []string
	Groups []string
}

// People says who belongs together. Names of accounts are compared without
// regard to case, as the forges do.
type People struct {
	Groups map[string][]string
	// Same names the person behind an account, where one person has several; Persons
	// makes it.
	Same map[string]string
	// Unread are the teams of a group that could not be read: nobody of them is in it.
	Unread map[string][]Unread
	// IDs are the accounts that a team named, by their names in lower case: who bears
	// such a name and is another account is somebody else.
	IDs map[string][]string
}

// Unread is a team of the forge that could not be read, and why.
type Unread struct {
	Team string `json:"team"`
	Why  string `json:"why"`
}

// Change is what is to be approved.
type Change struct {
	Environment string
	Author      string
	// Pushers moved the branch, the last one last.
	Pushers []string
	// Digest is what the environment will hold, see Digest.
	Digest Digest
}

// ReviewState is what a review says.
type ReviewState string

// The states of a review.
const (
	Approved  ReviewState = "approved"
	Rejected  ReviewState = "changes requested"
	Dismissed ReviewState = "dismissed"
	Commented ReviewState = "commented"
)

// Review is what one account said of a change, as the gate itself saw it.
type Review struct {
	User  string
	ID    string // of the account, where the forge tells; no renaming changes it
	Bot   bool
	State ReviewState
	At    time.Time
	// Digest is what the environment would have held when the review was given.
	// Empty where the gate did not see it then: such a review does not count.
	Digest Digest
}

// Refusal is a review that does not count, and why.
type Refusal struct {
	User string `json:"user"`
	Why  string `json:"why"`
}

// Verdict is what a rule says of a change.
type Verdict struct {
	Environment string    `json:"environment"`
	Granted     bool      `json:"granted"`
	By          []string  `json:"by,omitempty"`      // whose approval counts
	Missing     int       `json:"missing,omitempty"` // how many more are needed
	From        []string  `json:"from,omitempty"`    // who may still give one
	Against     []string  `json:"against,omitempty"` // who asks for changes: nothing is granted until they agree
	Refused     []Refusal `json:"refused,omitempty"`
	// Unread are the teams whose members do not count because nobody knows them; Unclear
	// asks for changes and may be one of them: nothing is granted until that is known.
	Unread  []Unread `json:"unread,omitempty"`
	Unclear []string `json:"unclear,omitempty"`
}

// Approvals judges the reviews of a change by a rule. The last review of a person
// counts; one that only comments changes nothing.
func Approvals(r Rule, c Change, reviews []Review, p People) Verdict {
	v := Verdict{Environment: c.Environment, Unread: p.unread(r)}
	may := p.Designated(r)
	reviews, v.Refused = p.themselves(reviews)
	for _, review := range p.last(reviews) {
		who := p.person(review.User)
		why := ""
		switch {
		case review.State == Dismissed:
			why = "the review was dismissed"
		case review.State == Rejected && len(v.Unread) > 0 && !review.Bot && !slices.Contains(may, who):
			v.Unclear = append(v.Unclear, review.User)
			continue
		case !slices.Contains(may, who):
			why = "is not among the designated people"
		case review.State == Rejected:
			v.Against = append(v.Against, review.User)
			continue
		default:
			why = p.unfit(review, c)
		}
		if why != "" {
			v.Refused = append(v.Refused, Refusal{review.User, why})
			continue
		}
		v.By = append(v.By, review.User)
	}
	v.Missing = max(0, r.Count-len(v.By))
	v.Granted = v.Missing == 0 && len(v.Against)+len(v.Unclear) == 0
	if v.Missing > 0 {
		v.From = p.remaining(may, v.By, c)
	}
	return v
}

// unfit says why the approval of a designated person does not count; empty where
// it does.
func (p People) unfit(r Review, c Change) string {
	who := p.person(r.User)
	switch {
	case r.Bot:
		return "is a bot"
	case who == p.person(c.Author):
		return "is the author"
	case len(c.Pushers) > 0 && who == p.person(c.Pushers[len(c.Pushers)-1]):
		return "pushed last"
	case r.Digest == "":
		return "nobody saw what was approved"
	case r.Digest != c.Digest:
		return "what is rendered has changed since: " + c.Digest.Short() + " instead of " + r.Digest.Short()
	}
	return ""
}

// last returns the review of each person that counts, by time.
func (p People) last(reviews []Review) []Review {
	sorted := slices.Clone(reviews)
	slices.SortStableFunc(sorted, func(a, b Review) int { return a.At.Compare(b.At) })
	var out []Review
	for _, r := range sorted {
		if r.State == Commented {
			continue
		}
		same := func(o Review) bool { return p.person(o.User) == p.person(r.User) }
		out = append(slices.DeleteFunc(out, same), r)
	}
	return out
}

// Designated are the people that a rule names, sorted, each once.
func (p People) Designated(r Rule) []string {
	var out []string
	for _, user := range r.Users {
		out = append(out, p.person(user))
	}
	for _, group := range r.Groups {
		for _, user := range p.Groups[group] {
			out = append(out, p.person(user))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// unread are the teams of a rule that could not be read, each once.
func (p People) unread(r Rule) []Unread {
	var out []Unread
	for _, group := range r.Groups {
		for _, u := range p.Unread[group] {
			if !slices.Contains(out, u) {
				out = append(out, u)
			}
		}
	}
	return out
}

// themselves are the reviews without those of accounts that bear another's name.
func (p People) themselves(reviews []Review) (out []Review, others []Refusal) {
	for _, r := range reviews {
		refusal := Refusal{r.User, "is another account than the one of that name in the team"}
		switch {
		case !p.another(r):
			out = append(out, r)
		case !slices.Contains(others, refusal):
			others = append(others, refusal)
		}
	}
	return out, others
}

// another tells whether somebody bears the name of a member of a team without being
// that account.
func (p People) another(r Review) bool {
	ids := p.IDs[plainly(r.User)]
	return len(ids) > 0 && r.ID != "" && !slices.Contains(ids, r.ID)
}

// remaining are the designated people who could still approve.
func (p People) remaining(may, by []string, c Change) []string {
	var out []string
	for _, who := range may {
		gave := slices.ContainsFunc(by, func(user string) bool { return p.person(user) == who })
		if !gave && p.unfit(Review{User: who, Digest: c.Digest}, Change{Author: c.Author, Pushers: c.Pushers, Digest: c.Digest}) == "" {
			out = append(out, who)
		}
	}
	return out
}

// person is who stands behind an account.
func (p People) person(account string) string {
	account = plainly(account)
	return cmp.Or(p.Same[account], account)
}

// plainly is a name as names are compared.
func plainly(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// Persons makes People.Same of what is declared; names are compared plainly.
func Persons(declared map[string]string) map[string]string {
	next := map[string]string{}
	for account, person := range declared {
		account, person = plainly(account), plainly(person)
		if had, twice := next[account]; !twice || person < had {
			next[account] = person
		}
	}
	out := map[string]string{}
	for account := range next {
		out[account] = persons.Behind(next, account)
	}
	return out
}
