package check

import (
	"fmt"
	"strings"

	"github.com/leat-dev/leat/internal/present"
)

var lights = map[State]string{Success: "🟢", Pending: "🟡", Failure: "🔴", Errored: "🔴"}

const (
	// minPlan is the room in bytes below which the plan of an environment is left out.
	minPlan = 2000
	// aroundPlan is what folding a plan takes.
	aroundPlan = 200
)

// Markdown is the report as a comment of at most so many bytes on a pull request:
// what every environment waits for, and its plan, folded.
func (r Report) Markdown(limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s Leat gate\n\n", lights[r.State])
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "> %s\n\n", present.Prose(note))
	}
	if len(r.Environments) == 0 {
		b.WriteString("No environment is touched.\n")
	}
	for _, e := range r.Environments {
		b.WriteString(e.markdown())
	}
	if len(r.Untouched) > 0 {
		fmt.Fprintf(&b, "Not touched: %s.\n\n", present.Prose(strings.Join(r.Untouched, ", ")))
	}
	end := fmt.Sprintf("<sub>%s into %s at %s · `leat check`</sub>\n", present.Prose(short(r.Head)), present.Prose(r.Branch), present.Prose(short(r.Base)))
	head := clip(b.String(), limit-len(end))
	return head + r.plans(limit-len(head)-len(end)) + end
}

func short(commit string) string { return commit[:min(len(commit), 10)] }

// clip cuts at a line what is too long, and says so.
func clip(text string, limit int) string {
	const more = "\n… the rest has no room here: `leat check` shows it.\n\n"
	if len(text) <= limit {
		return text
	}
	text = text[:max(0, limit-len(more))]
	return text[:strings.LastIndexByte(text, '\n')+1] + more
}

// markdown is what is to be said of an environment without its plan.
func (e Environment) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s %s: %s\n\n", lights[e.State], present.Prose(e.Name), present.Prose(e.Line))
	for _, line := range e.lines() {
		text := strings.TrimLeft(line, " ")
		fmt.Fprintf(&b, "%s- %s\n", strings.Repeat("  ", (len(line)-len(text))/4), present.Prose(text))
	}
	b.WriteString("\n")
	return b.String()
}

// plans are the plans of the environments, each folded, in so many bytes.
func (r Report) plans(room int) string {
	var b strings.Builder
	for i, e := range r.Environments {
		if !e.Plan.Changes && len(e.Plan.Clusters) == 0 {
			continue
		}
		share := (room-b.Len())/(len(r.Environments)-i) - aroundPlan - len(e.Name)
		if share < minPlan {
			fmt.Fprintf(&b, "The plan of %s has no room here.\n\n", present.Prose(e.Name))
			continue
		}
		fmt.Fprintf(&b, "<details><summary>The plan of %s</summary>\n\n%s\n</details>\n\n", present.Inline(e.Name),
			e.Plan.Markdown(present.Comment{Name: e.Name, Limit: share}))
	}
	return b.String()
}
