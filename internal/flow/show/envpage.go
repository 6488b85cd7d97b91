package show

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Markdown is a table for a comment or a page, with what needs a look below it.
func (all Envs) Markdown() string {
	var b strings.Builder
	b.WriteString("### Environments\n\n| environment | branch | follows | last change | waits | open |\n|---|---|---|---|---|---|\n")
	for _, e := range all {
		last := ""
		if e.Commit != "" {
			last = fmt.Sprintf("%s %s (%s ago)", e.Commit, e.Subject, Age(e.Age))
		}
		open := "yes"
		if e.Closed != "" {
			open = "no"
		}
		for _, text := range []string{e.Name, e.place(), e.Follows, last, e.waits(), open} {
			b.WriteString("| " + strings.TrimRight(escape(text)+" ", " ") + " ")
		}
		b.WriteString("|\n")
	}
	for _, e := range all {
		for _, look := range e.looks() {
			b.WriteString("\n- **" + escape(e.Name) + "** " + escape(look.Text))
		}
		for _, p := range e.Pulls {
			b.WriteString("\n- **" + escape(e.Name) + "** " + p.markdown())
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (p Pull) markdown() string {
	text := fmt.Sprintf("pull request %d: %s", p.Number, p.Title)
	if link := p.link(); link != "" {
		return "[" + strings.ReplaceAll(escape(text), "://", ":&#47;/") + "](<" + link + ">)" // no link in a link
	}
	return escape(text)
}

// link is the address of a pull request; empty for what is none to follow.
func (p Pull) link() string {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(p.URL, "<> \n") {
		return ""
	}
	return u.String()
}

// looks are what somebody has to look at.
func (e Env) looks() []lookData {
	var out []lookData
	add := func(class, text string) {
		out = append(out, lookData{Class: class, State: e.Name, Text: strings.Join(strings.Fields(text), " ")})
	}
	if e.Problem != "" {
		add("bad", e.Problem)
	}
	if e.Fixes > 0 {
		add("fix", e.unmerged())
	}
	if e.Own > 0 || e.Drifted > 0 {
		add("fix", "changed here alone: "+e.alone())
	}
	if e.Closed != "" {
		add("warn", e.closed())
	}
	if e.Local {
		add("warn", "the remote does not have the branch "+e.Branch)
	}
	return out
}

type envData struct {
	Env
	Place, Ago, Waits string
	Looks             []lookData
	Links             []linkData
}

type linkData struct{ Text, URL string }

// HTML writes a page that needs nothing else.
func (all Envs) HTML(w io.Writer) error {
	var rows []envData
	for _, e := range all {
		e.Subject = printable(e.Subject)
		row := envData{Env: e, Place: e.place(), Waits: e.waits(), Looks: e.looks()}
		if e.Commit != "" {
			row.Ago = Age(e.Age)
		}
		for _, p := range e.Pulls {
			row.Links = append(row.Links, linkData{fmt.Sprintf("pull request %d: %s", p.Number, p.Title), p.link()})
		}
		rows = append(rows, row)
	}
	return pages.ExecuteTemplate(w, "env.gohtml", rows)
}
