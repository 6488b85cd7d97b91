package forgetest

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/forge"
)

// World is what a strict local server knows: a repository, its people and its
// pull requests. Servers hold the lock while they answer.
type World struct {
	sync.Mutex
	Branches map[string]string // name → commit
	Pulls    []*Pull
	Statuses []Status
	Pushes   []Push   // the oldest first
	Notes    []Note   // what happened below pull requests, the oldest first
	Team     []string // who is in the one team that there is

	people []string                         // position + 1 is the id
	mirror func(branch, file string) string // makes commits; nil to make them up
	clock  time.Time
	count  int
}

// Pull is a pull request of the World.
type Pull struct {
	Number             int
	Title, Body        string
	State              forge.State
	Author, Head, Base string // a person, and branches
	HeadAt, MergedAs   string // commits
	Labels             []string
	Created, Updated   time.Time
	Versions           []Version // heads that it had
}

// Version is a head that a pull request had from a moment on.
type Version struct {
	Commit string
	At     time.Time
}

// Note is a comment, or a review.
type Note struct {
	ID        int
	Pull      int
	Author    string
	Body      string
	Verdict   forge.Verdict // "" for a comment
	Commit    string
	Dismissed bool
	At        time.Time
}

// Status is a status of the World.
type Status struct {
	ID                                                int
	Commit, Context, State, Description, URL, Creator string
	At                                                time.Time
}

// Push is a push to a branch.
type Push struct {
	Who, Branch, Commit string
	At                  time.Time
}

// NewWorld returns a repository with the branches main and guarded.
func NewWorld() *World {
	w := &World{
		Branches: map[string]string{},
		Team:     []string{Alice, Bob}, people: []string{Leat, Alice, Bob, Mallory, "owner"}, clock: time.Unix(1_700_000_000, 0).UTC(),
	}
	first := w.commit()
	w.Branches[Main], w.Branches[Guarded] = first, first
	return w
}

// Mirror makes this the world of a real repository: its branches begin at main, and
// commit puts a file on a branch there.
func (w *World) Mirror(main string, commit func(branch, file string) string) {
	w.Lock()
	defer w.Unlock()
	w.Branches[Main], w.Branches[Guarded], w.mirror = main, main, commit
}

// Leave takes a person out of the team.
func (w *World) Leave(who string) {
	w.Lock()
	defer w.Unlock()
	w.Team = slices.DeleteFunc(w.Team, func(member string) bool { return member == who })
}

// Now moves the clock on by a second: no two things happen at once.
func (w *World) Now() time.Time {
	w.clock = w.clock.Add(time.Second)
	return w.clock
}

// Next returns a new number.
func (w *World) Next() int {
	w.count++
	return w.count
}

// ID is the number of a person's account.
func (w *World) ID(who string) int { return slices.Index(w.people, who) + 1 }

// Token is what a person shows; Who finds the person, "" for nobody.
func Token(who string) string { return "token-of-" + who }

// Who is the person of a token.
func (w *World) Who(token string) string {
	who, ok := strings.CutPrefix(token, "token-of-")
	if !ok || !slices.Contains(w.people, who) {
		return ""
	}
	return who
}

func (w *World) commit() string {
	return fmt.Sprintf("%x", sha1.Sum(fmt.Append(nil, "commit ", w.Next())))
}

// Push puts a file on a branch.
func (w *World) Push(_ *testing.T, who, branch, file string) string {
	w.Lock()
	defer w.Unlock()
	var id string
	if w.mirror != nil {
		id = w.mirror(branch, file)
	} else {
		id = w.commit()
	}
	w.Branches[branch] = id
	w.Pushes = append(w.Pushes, Push{who, branch, id, w.Now()})
	for _, p := range w.Pulls {
		if p.State == forge.Open && p.Head == branch {
			p.HeadAt, p.Updated = id, w.Now()
			p.Versions = append(p.Versions, Version{id, p.Updated})
		}
	}
	return id
}

// Pull finds a pull request.
func (w *World) Pull(number int) *Pull {
	for _, p := range w.Pulls {
		if p.Number == number {
			return p
		}
	}
	return nil
}

// Open opens a pull request; nil when one is open, or a branch is not there.
func (w *World) Open(who, head, base string) *Pull {
	if w.Branches[head] == "" || w.Branches[base] == "" {
		return nil
	}
	for _, p := range w.Pulls {
		if p.State == forge.Open && p.Head == head && p.Base == base {
			return nil
		}
	}
	at := w.Now()
	p := &Pull{Number: len(w.Pulls) + 1, State: forge.Open, Author: who, Head: head, Base: base, HeadAt: w.Branches[head], Created: at, Updated: at}
	p.Versions = []Version{{p.HeadAt, at}}
	w.Pulls = append(w.Pulls, p)
	return p
}

// Say adds a note.
func (w *World) Say(n Note) *Note {
	n.ID, n.At = w.Next(), w.Now()
	w.Notes = append(w.Notes, n)
	return &w.Notes[len(w.Notes)-1]
}

// Note finds one by its number.
func (w *World) Note(id int) *Note {
	for i := range w.Notes {
		if w.Notes[i].ID == id {
			return &w.Notes[i]
		}
	}
	return nil
}

// NotesOf lists the notes of a pull request that keep takes.
func (w *World) NotesOf(number int, keep func(Note) bool) []Note {
	var out []Note
	for _, n := range w.Notes {
		if n.Pull == number && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// StatusesOf lists the statuses of a commit.
func (w *World) StatusesOf(commit string) []Status {
	return slices.DeleteFunc(slices.Clone(w.Statuses), func(s Status) bool { return s.Commit != commit })
}

// Review adds a review of the head as it is.
func (w *World) Review(_ *testing.T, who string, number int, v forge.Verdict) error {
	w.Lock()
	defer w.Unlock()
	p := w.Pull(number)
	if p.Author == who {
		return fmt.Errorf("the author cannot review")
	}
	w.Say(Note{Pull: number, Author: who, Verdict: v, Commit: p.HeadAt})
	return nil
}

// Dismiss takes the reviews of a person back.
func (w *World) Dismiss(_ *testing.T, number int, who string) {
	w.Lock()
	defer w.Unlock()
	for i := range w.Notes {
		if n := &w.Notes[i]; n.Pull == number && n.Author == who && n.Verdict != "" {
			n.Dismissed = true
		}
	}
}

// Approved tells whether somebody's approval stands.
func (w *World) Approved(p *Pull) bool {
	return len(w.NotesOf(p.Number, func(n Note) bool { return n.Verdict == forge.Approved && !n.Dismissed })) > 0
}

// Done merges.
func (w *World) Done(p *Pull) {
	p.State, p.MergedAs, p.Updated = forge.Merged, w.commit(), w.Now()
	w.Branches[p.Base] = p.MergedAs
}

// Request is a request to a strict server, with who makes it.
type Request struct {
	*http.Request
	Who string
}
