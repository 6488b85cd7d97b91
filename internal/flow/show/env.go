package show

import (
	"fmt"
	"strings"
	"time"
)

// Env is an environment as it stands.
type Env struct {
	Name, Branch, Directory, Follows string
	Commit, Subject                  string // empty where the branch is not there
	Age                              time.Duration
	Local                            bool
	Commits, Files, Own, Drifted     int
	Subjects                         []string
	// Fixes are commits here that Main lacks, the oldest since so long, by Who.
	Fixes   int
	Main    string
	Since   time.Duration
	Who     []string
	Closed  string // why nothing may reach it; empty where it is open
	Next    time.Time
	Pulls   []Pull
	Problem string
}

// Pull is an open pull request.
type Pull struct {
	Number int
	Title  string
	URL    string
}

// Envs are environments in the order of the way of changes.
type Envs []Env

// Text is a block for each environment.
func (all Envs) Text(s Style) string {
	var b strings.Builder
	for i, e := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, line := range e.lines(s) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func (e Env) lines(s Style) []string {
	place := e.place()
	if e.Follows != "" {
		place += ", follows " + e.Follows
	}
	out := []string{s.paint("1", e.Name) + "  " + s.paint("2", place)}
	add := func(colour, format string, args ...any) {
		out = append(out, "  "+s.paint(colour, fmt.Sprintf(format, args...)))
	}
	if e.Problem != "" {
		add("31", "✗ %s", strings.Join(strings.Fields(e.Problem), " "))
	}
	if e.Commit != "" {
		local := ""
		if e.Local {
			local = ", not on the remote"
		}
		add("", "%s %s (%s ago%s)", e.Commit, e.Subject, Age(e.Age), local)
	}
	if e.Drifted > 0 || e.Own > 0 {
		add("35", "! changed here alone: %s", e.alone())
	}
	if e.Fixes > 0 {
		add("31", "! %s", e.unmerged())
	}
	switch {
	case e.Files > 0:
		add("36", "↓ waiting in %s: %s, %s", e.Follows, count(e.Commits, "commit"), count(e.Files, "file"))
	case e.Follows != "" && e.Problem == "":
		add("32", "= nothing waits in %s", e.Follows)
	}
	for i, subject := range e.Subjects {
		if e.Files > 0 {
			add("2", "    %s", subject)
		}
		if i == len(e.Subjects)-1 && e.Files > 0 && e.Commits > len(e.Subjects) {
			add("2", "    and %d more", e.Commits-len(e.Subjects))
		}
	}
	if e.Closed != "" {
		add("33", "%s", e.closed())
	}
	for _, p := range e.Pulls {
		add("", "pull request %d: %s %s", p.Number, p.Title, p.URL)
	}
	return out
}

func (e Env) alone() string {
	var parts []string
	if e.Own > 0 {
		parts = append(parts, count(e.Own, "commit")+" that "+e.Follows+" lacks")
	}
	if e.Drifted > 0 {
		parts = append(parts, count(e.Drifted, "file"))
	}
	return strings.Join(parts, ", ")
}

// unmerged says what the main branch lacks.
func (e Env) unmerged() string {
	return fmt.Sprintf("%s lacks %s, the oldest for %s (%s)", e.Main, count(e.Fixes, "commit"), Age(e.Since), strings.Join(e.Who, ", "))
}

// closed says why nothing may reach it, and until when.
func (e Env) closed() string {
	until := ""
	if !e.Next.IsZero() {
		until = ", opens " + e.Next.Format("2006-01-02 15:04 MST")
	}
	return "closed: " + e.Closed + until
}

// waits says what waits in the environment before.
func (e Env) waits() string {
	switch {
	case e.Files > 0:
		return fmt.Sprintf("%s, %s", count(e.Commits, "commit"), count(e.Files, "file"))
	case e.Follows != "" && e.Problem == "":
		return "nothing"
	}
	return ""
}

// place is where an environment is written.
func (e Env) place() string {
	if e.Directory != "" {
		return e.Branch + ", " + e.Directory
	}
	return e.Branch
}

// Age is a length of time as people say it.
func Age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than 1m"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}
