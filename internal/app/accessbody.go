package app

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/access"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/writeback"
)

// maxShownValue bounds a value in a table, in runes.
const maxShownValue = 120

// accessBody is what the pull request says of what was written with a grant. It says the
// same each time, so that nothing is edited for a second run.
func accessBody(one *AccessProposal, plan string) string {
	r := one.Request
	var b strings.Builder
	fmt.Fprintf(&b, "Written by hand in %s with the temporary right %s; what of it Git does not have yet.\n\n", code(r.Spec.Environment), code(r.Name))
	fmt.Fprintf(&b, "- asked by %s: %s\n", code(r.Spec.Requester.Username), code(access.Quote(r.Spec.Reason)))
	fmt.Fprintf(&b, "- role %s in %s, approved by %s\n", code(r.Spec.Role), code(r.Spec.Where()), cmp.Or(codes(r.Status.ApprovedBy), "nobody"))
	if held, end := r.Status.Grant, r.Status.End; held != nil && end != nil {
		fmt.Fprintf(&b, "- from %s to %s\n", held.From.UTC().Format(time.RFC3339), end.At.UTC().Format(time.RFC3339))
	}
	b.WriteString("\nManaged fields know no users: others who wrote by hand meanwhile are among it.\n\n")
	b.WriteString("| object | field | in Git | live | at |\n|---|---|---|---|---|\n")
	for _, it := range one.Items {
		if it.Proposed() {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(it.Object.String()), cell(it.Path), cell(it.Git), cell(it.Live), cell(it.At()))
		}
	}
	b.WriteString(leftOver(one.Items))
	if end := r.Status.End; end.More > 0 || len(end.Unread) > 0 {
		fmt.Fprintf(&b, "\nNot all was looked at: %d more objects, %s.\n", end.More, cmp.Or(codes(end.Unread), "and no kind besides"))
	}
	if held := suspended(r); len(held) > 0 {
		fmt.Fprintf(&b, "\n%s still suspended, so that nothing is undone before this is merged: resume it then.\n", present.Prose(strings.Join(held, ", ")+" is"))
	}
	return b.String() + "\n" + plan
}

// leftOver says what is not proposed, and why.
func leftOver(items []writeback.Item) string {
	var b strings.Builder
	for _, it := range items {
		if it.Proposed() {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\nNot proposed:\n\n| object | field | live | why |\n|---|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(it.Object.String()), cell(it.Path), cell(it.Live), strings.ReplaceAll(present.Prose(it.Left), "|", "\\|"))
	}
	return b.String()
}

// suspended are the units that are to be resumed.
func suspended(r access.Request) []string {
	var out []string
	for _, w := range r.Status.End.Writes {
		if w.Suspended {
			out = append(out, w.Object().String())
		}
	}
	return out
}

func code(text string) string { return present.Code(text) }

func codes(all []string) string {
	out := make([]string, len(all))
	for i, text := range all {
		out[i] = code(text)
	}
	return strings.Join(out, ", ")
}

// cell is a value in a table of Markdown; a bar in it would end the cell.
func cell(text string) string {
	if text == "" {
		return ""
	}
	if runes := []rune(text); len(runes) > maxShownValue {
		text = string(runes[:maxShownValue]) + "…"
	}
	return strings.ReplaceAll(code(text), "|", "\\|")
}
