package present

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/screen"
)

// Text returns the plan for a terminal: the verdict, what is dangerous, what
// will never become ready, images, then every unit in the order of delivery.
func (d Document) Text(style Style) string {
	s := &sheet{style: style}
	s.verdict(d)
	s.findings(findingSignals(d))
	s.causes(foldCauses(d))
	s.images(signals(d, func(c Cluster) []Image { return c.Images }))
	for _, c := range fold(d) {
		s.cluster(c)
	}
	return s.out.String()
}

func (s *sheet) verdict(d Document) {
	colour := green
	switch total := sum(d.Clusters); {
	case total.Severities.Danger > 0 || stuck(total.NeverReady) != "":
		colour = loud
	case total.Severities.Warning > 0:
		colour = yellow
	case d.Changes:
		colour = bold
	}
	s.line(0, span{d.Verdict, colour})
	if len(d.Clusters) < 2 {
		return
	}
	wide := 0
	for _, c := range d.Clusters {
		wide = max(wide, width(c.Path))
	}
	for _, c := range d.Clusters {
		s.line(4+wide, span{"  " + pad(c.Path, wide) + "  ", bold}, span{c.Verdict, plain})
	}
}

// findingSignals are the findings of all clusters, most dangerous first.
func findingSignals(d Document) []signal[Finding] {
	out := signals(d, func(c Cluster) []Finding { return c.Findings })
	slices.SortStableFunc(out, func(a, b signal[Finding]) int { return compareFindings(a.Of, b.Of) })
	return out
}

var severityLook = map[string]span{"danger": {"✗", loud}, "warning": {"!", yellow}, "info": {"·", dim}}

// maxFindings is how many findings of a rule are listed.
const maxFindings = 8

func (s *sheet) findings(all []signal[Finding]) {
	if len(all) == 0 {
		return
	}
	s.title("Findings", "")
	rest := map[string]int{}
	shown := map[string]int{}
	for _, f := range all {
		switch {
		case s.style.Every:
			s.finding(f)
		case f.Of.Allowed:
			rest["allowed"]++
		case f.Of.Old:
			rest["old"]++
		case shown[f.Of.Rule] == maxFindings:
			rest[f.Of.Rule]++
		default:
			shown[f.Of.Rule]++
			s.finding(f)
		}
	}
	for _, rule := range slices.Sorted(mapKeys(shown)) {
		if rest[rule] > 0 {
			s.line(4, span{fmt.Sprintf("  … and %d more of %s", rest[rule], rule), dim})
		}
	}
	s.olds(rest["old"], "stood before this change")
	s.olds(rest["allowed"], "allowed by the fleet")
}

func (s *sheet) olds(n int, what string) {
	if n > 0 {
		s.line(4, span{fmt.Sprintf("  · %s %s; --findings all lists them", count(n, "finding"), what), dim})
	}
}

func (s *sheet) finding(f signal[Finding]) {
	look := severityLook[f.Of.Severity]
	s.line(6, span{"  " + look.text + " ", look.colour}, span{f.Of.Rule, bold}, span{"  " + f.Of.text(), plain})
	s.note(6, f.Of.stands(), f.Of.At(), f.in())
}

// stands says why a finding does not count, where it does not.
func (f Finding) stands() string {
	switch {
	case f.Allowed:
		return "allowed by " + f.AllowedBy
	case f.Old:
		return "stood before"
	}
	return ""
}

// text is a finding with the name of what it is about, unless it names it.
func (f Finding) text() string {
	if subject := f.subject(); subject != "" {
		return subject + ": " + f.Message
	}
	return f.Message
}

// subject is what a finding is about, where the message does not name it: an
// object, else a unit, and the field.
func (f Finding) subject() string {
	name := cmp.Or(f.Object.String(), f.Unit.String())
	if strings.Contains(f.Message, name) {
		return ""
	}
	last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
	if last == "" || strings.Contains(strings.ToLower(f.Message), strings.ToLower(strings.TrimSuffix(last, "s"))) {
		return name
	}
	return strings.TrimSpace(name + " " + f.Name)
}

// note writes where something stands, and in which clusters.
func (s *sheet) note(indent int, parts ...string) {
	text := strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " · ")
	if text != "" {
		s.line(indent+2, span{strings.Repeat(" ", indent) + text, dim})
	}
}

func (s *sheet) causes(groups []alike, old int) {
	if len(groups) == 0 && old == 0 {
		return
	}
	s.title("Never ready", "")
	for _, a := range groups {
		units, blocking := a.names()
		first := a.Causes[0]
		name, at := first.Of.Unit, first.Of.where()
		if len(units) > 1 {
			name, at = fmt.Sprintf("%d × %s", len(units), names(units, maxNames)), ""
		}
		s.line(6, span{"  ✗ ", loud}, span{name, bold}, span{" " + first.Of.State + ": " + a.Message, plain})
		if len(blocking) > 0 {
			s.line(8, span{fmt.Sprintf("      keeps %s: %s", count(len(blocking), "unit"), names(blocking, maxNames)), plain})
		}
		s.note(6, at, first.in())
	}
	if old > 0 {
		s.line(4, span{fmt.Sprintf("  · %s stood before this change; --output json lists all", count(old, "cause")), dim})
	}
}

func (s *sheet) images(all []signal[Image]) {
	if len(all) == 0 {
		return
	}
	s.title("Images", "")
	wide := 0
	for _, i := range all[:min(maxImages, len(all))] {
		wide = max(wide, min(width(i.Of.Name), 50))
	}
	for n, i := range all {
		if n == maxImages {
			s.line(4, span{fmt.Sprintf("  … and %d more images", len(all)-n), dim})
			return
		}
		s.line(6, span{"  " + pad(i.Of.Name, wide) + "  ", plain}, span{versions(i.Of.Before, "new"), red},
			span{" → ", dim}, span{versions(i.Of.After, "gone"), green}, span{"  " + names(refNames(i.Of.Workloads), maxNames), dim})
		s.note(6, i.in())
	}
}

// maxImages is how many images are listed.
const maxImages = 30

func versions(all []string, none string) string {
	if len(all) == 0 {
		return none
	}
	return names(all, maxNames)
}

func (s *sheet) cluster(c folded) {
	if c.Path != "" {
		s.title(c.Path, "  "+c.revisions())
	} else {
		s.title("Changes", "  "+c.revisions())
	}
	if len(c.Units) == 0 {
		s.line(2, span{"  nothing changes", green})
	}
	s.everywhere(c.Everywhere)
	for _, u := range c.Units {
		s.unit(u)
	}
	s.blank()
	for _, line := range c.footer() {
		s.line(4, span{"  " + line, dim})
	}
	for _, line := range c.placeholders() {
		s.line(4, span{"  ! " + line, yellow})
	}
}

// revisions says what is compared.
func (c *Cluster) revisions() string {
	base, head := cmp.Or(screen.ShortRevision(c.Base), "nothing"), screen.ShortRevision(c.Head)
	if base == head {
		return head
	}
	return base + " → " + head
}

func (s *sheet) everywhere(all []common) {
	if len(all) == 0 {
		return
	}
	s.line(4, span{"  ≡ the same in many objects", bold})
	for _, e := range all {
		s.field(e.Field, 6, 0)
		s.line(10, span{fmt.Sprintf("        %s of %s: %s", count(len(e.Objects), "object"), count(e.Units, "unit"), names(refNames(e.Objects), maxNames)), dim})
	}
}

// footer says how far the plan can be trusted, and how long it took where that is told.
func (c *Cluster) footer() []string {
	how := "rendered"
	if strings.HasSuffix(c.Fidelity, "rehearsed") {
		how = "delivered"
	}
	out := []string{count(c.All, "unit")}
	if c.Seconds != (Seconds{}) {
		out[0] += fmt.Sprintf(" · base %s in %s, head in %s", how, seconds(c.Seconds.Base), seconds(c.Seconds.Head))
	}
	if text := fidelities[c.Fidelity]; text != "" {
		out = append(out, "fidelity "+c.Fidelity+": "+text)
	}
	return append(out, c.Notes...)
}

var fidelities = map[string]string{
	"rehearsed":        "base and head were applied to an API server in this program, with their policies and quotas; pods are simulated",
	"partly rehearsed": "what needs nothing out of reach was applied to an API server in this program, pods simulated; the rest by its schemas",
	"exact":            "the API server itself has answered, with its webhooks, quotas and policies",
	"schema":           "by the schemas of all kinds; no webhook, quota or policy of a cluster was asked",
	"structural":       "by the shape of objects alone; schemas were not known",
}

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// placeholders says what was made up.
func (c *Cluster) placeholders() []string {
	if len(c.Placeholders) == 0 {
		return nil
	}
	are := " stands"
	if len(c.Placeholders) > 1 {
		are = "s stand"
	}
	out := []string{fmt.Sprintf("%d placeholder%s for what lives outside Git; give it with --input FILE or --set-input", len(c.Placeholders), are)}
	for i, p := range c.Placeholders {
		if i == maxPlaceholders {
			return append(out, fmt.Sprintf("  … and %d more", len(c.Placeholders)-i))
		}
		out = append(out, "  "+p.text())
	}
	return out
}

const maxPlaceholders = 8

func (p Placeholder) text() string {
	text := p.String()
	if len(p.Keys) > 0 {
		text += " (" + names(p.Keys, 8) + ")"
	}
	if len(p.By) > 0 {
		text += " for " + names(refNames(p.By), maxNames)
	}
	return text
}

// look is the colour of an operation.
func look(op change.Op) string {
	switch op {
	case change.Create:
		return green
	case change.Delete:
		return red
	case change.Refuse, change.Replace, change.Orphan:
		return loud
	case change.Change:
		return yellow
	case change.Unknown:
		return "35"
	}
	return cyan
}
