package present

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/change"
)

// Comment says how a comment is to be.
type Comment struct {
	// Name tells the comments of several plans on one pull request apart; the
	// marker, which finds a comment to edit it in place, holds it.
	Name string
	// Limit bounds the comment in bytes; 0 is maxComment.
	Limit int
	// Link is the address of the whole plan, for what is cut.
	Link string
}

// maxComment is the default limit: GitHub takes fewer than 65,536 characters.
const maxComment = 65_000

// reserve is room for the end of a comment, which says what was cut.
const reserve = 900

// Marker is the first line of the comment of a name: what to look for when
// editing it in place.
func Marker(name string) string {
	return strings.TrimRight("<!-- leat:plan "+notMark.ReplaceAllString(name, "-"), " ") + " -->"
}

var notMark = regexp.MustCompile(`[^A-Za-z0-9/_.]+`)

// Markdown returns the plan as a comment for a pull request. What does not fit
// is shortened, the least important first, and the end says so.
func (d Document) Markdown(c Comment) string {
	clusters := fold(d)
	blocks := []block{d.headBlock(c), d.findingsBlock(), d.causesBlock(), d.imagesBlock()}
	for _, f := range clusters {
		blocks = append(blocks, f.blocks(len(clusters))...)
	}
	limit := cmp.Or(c.Limit, maxComment) - reserve
	out := fit(blocks, limit)
	return out.text + d.end(c, out)
}

// How important it is that a part of the comment is not shortened: a list that
// is long, then short; a unit with its fields, with its objects, in a line.
var (
	keepImages  = []int{8, 25, 45}
	keepRows    = []int{12, 35, 55, 75}
	keepQuiet   = []int{0, 5, 10}   // units to which little happens
	keepNotice  = []int{15, 30, 40} // with warnings
	keepDanger  = []int{50, 60, 70} // with dangers, prunes, refusals
	keepCommon  = []int{20, 65}
	keepCluster = []int{80}
	keepHead    = []int{85, 90, 95}
)

// blockOf puts the lengths of a part together, the longest first.
func blockOf(keep []int, texts ...string) block {
	var out block
	for i, text := range texts {
		out = append(out, length{text, keep[min(i, len(keep)-1)]})
	}
	return out
}

func (d Document) headBlock(c Comment) block {
	total := sum(d.Clusters)
	light := "🟢"
	switch {
	case total.Severities.Danger > 0 || stuck(total.NeverReady) != "":
		light = "🔴"
	case total.Severities.Warning > 0:
		light = "🟡"
	}
	head := fmt.Sprintf("%s\n## %s Leat plan\n\n**%s**\n\n", Marker(c.Name), light, prose(d.Verdict))
	const columns = "| cluster | units | objects | findings | never ready |\n|---|---|---|---|---|\n"
	var rows []string
	for _, cl := range d.Clusters {
		rows = append(rows, fmt.Sprintf("| %s | %d of %d | %s | %s | %d |\n", column(code(cl.Path)),
			len(cl.Changes), cl.All, or(cl.Objects.words()), or(cl.Severities.words()), len(cl.NeverReady)))
	}
	lengths := listLengths(rows, func(rows []string, more int) string {
		return head + columns + strings.Join(rows, "") + moreText(more, "more cluster")
	}, 50, 10)
	return blockOf(keepHead, append(lengths, head)...)
}

func or(text string) string { return cmp.Or(text, "–") }

// listLengths renders a list whole, then only so many of it.
func listLengths(all []string, render func(some []string, more int) string, most ...int) []string {
	out := []string{render(all, 0)}
	for _, n := range most {
		if n < len(all) {
			out = append(out, render(all[:n], len(all)-n))
		}
	}
	return out
}

func moreText(n int, what string) string {
	if n == 0 {
		return "\n"
	}
	return "\n… and " + count(n, what) + ".\n\n"
}

var lights = map[string]string{"danger": "🔴", "warning": "🟡", "info": "🔵"}

func (d Document) findingsBlock() block {
	var rows []string
	old, allowed := 0, 0
	for _, f := range findingSignals(d) {
		switch {
		case f.Of.Allowed:
			allowed++
		case f.Of.Old:
			old++
		default:
			rows = append(rows, fmt.Sprintf("- %s **%s** %s%s\n", lights[f.Of.Severity], prose(f.Of.Rule), f.Of.markdown(), tail(f.Of.At(), f.in())))
		}
	}
	rest := ""
	if old > 0 {
		rest += "- " + count(old, "finding") + " stood before this change\n"
	}
	if allowed > 0 {
		rest += "- " + count(allowed, "finding") + " allowed by the fleet\n"
	}
	return section("Findings", rows, rest)
}

func (f Finding) markdown() string {
	subject := f.subject()
	if subject == "" {
		return prose(f.Message)
	}
	return code(subject) + ": " + prose(f.Message)
}

// tail is where something stands: « — `file:3` · in clusters/prod».
func tail(at, in string) string {
	var parts []string
	if at != "" {
		parts = append(parts, code(at))
	}
	if in != "" {
		parts = append(parts, prose(in))
	}
	if len(parts) == 0 {
		return ""
	}
	return " — " + strings.Join(parts, " · ")
}

// section is a headed list; nothing where it is empty.
func section(title string, rows []string, rest string) block {
	if len(rows) == 0 && rest == "" {
		return blockOf(keepRows, "")
	}
	return blockOf(keepRows, listLengths(rows, func(rows []string, more int) string {
		return "### " + title + "\n\n" + strings.Join(rows, "") + rest + moreText(more, "more")
	}, 100, 40, 15, 5)...)
}

func (d Document) causesBlock() block {
	var rows []string
	groups, old := foldCauses(d)
	for _, a := range groups {
		units, blocking := a.names()
		first := a.Causes[0]
		name, at := code(first.Of.Unit), first.Of.where()
		if len(units) > 1 {
			name, at = fmt.Sprintf("%d × %s", len(units), code(names(units, maxNames))), ""
		}
		row := fmt.Sprintf("- 🔴 %s %s: %s%s\n", name, first.Of.State, prose(a.Message), tail(at, first.in()))
		if len(blocking) > 0 {
			row += fmt.Sprintf("  - keeps %s: %s\n", count(len(blocking), "unit"), code(names(blocking, maxNames)))
		}
		rows = append(rows, row)
	}
	rest := ""
	if old > 0 {
		rest = "- " + count(old, "cause") + " stood before this change\n"
	}
	return section("Never ready", rows, rest)
}

func (d Document) imagesBlock() block {
	var rows []string
	for _, i := range signals(d, func(c Cluster) []Image { return c.Images }) {
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", column(code(i.Of.Name)), column(code(versions(i.Of.Before, "new"))),
			column(code(versions(i.Of.After, "gone"))), column(code(names(refNames(i.Of.Workloads), maxNames))+tail("", i.in()))))
	}
	if len(rows) == 0 {
		return blockOf(keepImages, "")
	}
	return blockOf(keepImages, listLengths(rows, func(rows []string, more int) string {
		return "### Images\n\n| image | before | after | in |\n|---|---|---|---|\n" + strings.Join(rows, "") + moreText(more, "more image")
	}, 50, 20, 5)...)
}

// end says how the plan was made and what of it is not shown.
func (d Document) end(c Comment, f fitted) string {
	var out strings.Builder
	if f.shorter+f.left > 0 {
		out.WriteString("\n> ⚠️ This comment has not room for all: ")
		fmt.Fprintf(&out, "%s shortened, %d left out, the least important first.", count(f.shorter, "section"), f.left)
		if c.Link != "" && utf8.RuneCountInString(c.Link) < reserve/3 {
			fmt.Fprintf(&out, " [The whole plan](<%s>).", strings.NewReplacer("<", "%3C", ">", "%3E", "\n", "", "\r", "").Replace(c.Link))
		} else {
			out.WriteString(" `leat plan -o html` shows everything.")
		}
		out.WriteString("\n")
	}
	out.WriteString("\n<sub>" + inline(shorten(cmp.Or(d.Tool, "leat"), 60)) + " · `leat plan`</sub>\n")
	return out.String()
}

// dangerous tells of an operation that takes something away or will fail.
func dangerous(op change.Op) bool {
	switch op {
	case change.Delete, change.Replace, change.Refuse, change.Orphan, change.Unknown:
		return true
	}
	return false
}
