package present

import (
	"fmt"
	"slices"
)

// maxManifests bounds the manifests of objects that come or go on a page; the
// JSON has all.
const maxManifests = 2000

type clusterPage struct {
	*Cluster
	ID         string
	Objects    wordsOf
	Severities wordsOf
	Revisions  string
	Everywhere []commonPage
	Units      []unitPage
	Footer     []string
	Made       []string // placeholders
}

// wordsOf is counts in words.
type wordsOf struct{ Words string }

type commonPage struct {
	common
	Names string
}

type unitPage struct {
	foldedUnit
	ID, Severity, Text, Short, Stands, Where, Summary string
	Release                                           *releasePage
	Groups                                            []groupPage
}

type releasePage struct {
	*Release
	Charts string
}

type groupPage struct {
	group
	Names, Reason, Where string
	More                 bool // names are not all told
	Manifests            []manifestPage
}

type manifestPage struct {
	Title string
	Lines []string
}

func (c folded) page(n int, budget *int) clusterPage {
	out := clusterPage{
		Cluster: c.Cluster, ID: fmt.Sprintf("c%d", n), Revisions: c.revisions(), Footer: c.footer(), Made: c.placeholders(),
		Objects: wordsOf{c.Cluster.Objects.words()}, Severities: wordsOf{c.Cluster.Severities.words()},
	}
	for _, e := range c.Everywhere {
		out.Everywhere = append(out.Everywhere, commonPage{e, names(refNames(e.Objects), maxNames)})
	}
	worst := c.worst()
	for _, u := range c.Units {
		out.Units = append(out.Units, u.page(fmt.Sprintf("c%d-u%d", n, u.Number), worst[u.String()], budget))
	}
	return out
}

// worst is the severity of the worst new finding of each unit.
func (c folded) worst() map[string]string {
	out := map[string]string{}
	for _, f := range c.Findings {
		unit := f.Unit.String()
		if quiet(f) == 0 && (out[unit] == "" || slices.Index(severities, f.Severity) < slices.Index(severities, out[unit])) {
			out[unit] = f.Severity
		}
	}
	return out
}

func (u foldedUnit) page(id, severity string, budget *int) unitPage {
	out := unitPage{
		foldedUnit: u, ID: id, Severity: severity, Short: u.Kind + " " + u.Name,
		Stands: u.standing(), Where: u.where(), Summary: u.summary(),
	}
	if u.Unit.Release != nil {
		out.Release = &releasePage{u.Unit.Release, u.Unit.Release.charts()}
	}
	text := []string{u.String(), u.File}
	for _, g := range u.Groups {
		out.Groups = append(out.Groups, g.page(budget))
	}
	for _, o := range u.Objects {
		text = append(text, o.String(), o.File)
	}
	for _, f := range u.Spec {
		text = append(text, f.Name, f.File)
	}
	out.Text = searched(text...)
	return out
}

func (g group) page(budget *int) groupPage {
	out := groupPage{group: g, Names: names(namesOf(g.Objects), maxNames), Reason: g.reason(), More: len(g.Objects) > maxNames+1}
	if len(g.Objects) == 1 {
		out.Where = g.Objects[0].where()
	}
	for _, o := range g.Objects {
		if len(o.Manifest) == 0 {
			continue
		}
		m := manifestPage{Title: "manifest of " + o.String(), Lines: valueLines(o.Manifest)}
		if *budget--; *budget < 0 {
			m.Lines = []string{"left out: this page shows " + thousands(maxManifests) + " manifests; leat plan -o json has all"}
		}
		if *budget < -1 { // said once
			continue
		}
		out.Manifests = append(out.Manifests, m)
	}
	return out
}
