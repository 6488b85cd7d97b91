// Package present shows what a change of a fleet does: as text for a terminal,
// as a comment on a pull request, as a page, as JSON and as SARIF.
//
//	doc := present.Make(present.Plan{Entries: entries})
//	os.Stdout.WriteString(doc.Text(present.Style{Width: 100, Colour: true}))
//	os.Stdout.WriteString(doc.Markdown(present.Comment{}))
//	err := doc.HTML(file)
//
// Everything is rendered from a Document, which is also the JSON: what is not in
// it is shown nowhere. It is made from the masked parts of a change.Set alone,
// so no output can hold a secret. The package is pure and must never cut
// anything without saying so.
package present

import (
	"time"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
)

// Plan is what a change does to one or several clusters.
type Plan struct {
	Tool    string // name and version of what made it
	Entries []Entry
}

// Entry is what a change does to one cluster.
type Entry struct {
	Path     string // of the cluster's entry, relative to the fleet: clusters/prod
	Set      change.Set
	Findings []finding.Finding
	Took     Took
	// Notes are lines about the whole plan, such as kinds without a schema.
	Notes []string
}

// Took is how long both sides were rendered.
type Took struct{ Base, Head time.Duration }
