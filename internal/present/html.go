package present

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/page.js
	pageScript string
)

// HTML writes the plan as one page that needs nothing else: no network, no file.
// Its policy lets run the script that stands in it and no other.
func (d Document) HTML(w io.Writer) error {
	var out bytes.Buffer
	if err := pageTemplate().Execute(&out, d.page()); err != nil {
		return fmt.Errorf("render plan as HTML: %w", err)
	}
	_, err := w.Write(out.Bytes())
	return err
}

var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{
		"show": printable, "sign": sign, "dash": or, "kind": fieldKind, "short": isShort, "edits": fieldEdits,
		"where": func(f Field) string { return f.where() },
		"value": func(v json.RawMessage) string { return printable(strings.Join(valueLines(v), " ")) },
		"class": func(e edit) string { return editClass[e.sign] },
		"tag":   func(severity string) string { return severityWord[severity] },
		"mark":  func(e edit) string { return string(e.sign) },
		"text":  func(e edit) string { return e.text },
	}).Parse(pageHTML))
})

var severityWord = map[string]string{"danger": "danger", "warning": "warning", "info": "note"}

var editClass = map[rune]string{'+': "plus", '-': "minus", '…': "gap", ' ': "stay"}

// page is what the template shows.
type page struct {
	Doc      Document
	Policy   string
	Style    template.CSS
	Script   template.JS
	Light    string // danger, warning or nothing
	Chips    []chip
	Findings []findingCard
	Quiet    []findingCard // old and allowed ones
	Causes   []causeCard
	Images   []imageRow
	Clusters []clusterPage
}

type chip struct {
	Severity, Word string
	Count          int
}

type findingCard struct {
	signal[Finding]
	Subject, Quiet, In, Text string
}

type causeCard struct {
	signal[Cause]
	In, Text string
}

type imageRow struct {
	signal[Image]
	Workloads, In, Text string
}

func (d Document) page() page {
	p := page{
		Doc: d, Policy: policy(), Style: template.CSS(pageStyle), Script: template.JS(pageScript),
	}
	total := sum(d.Clusters)
	p.Light, p.Chips = light(total), chips(total.Severities)
	for _, f := range findingSignals(d) {
		card := findingCard{f, f.Of.subject(), quietWord(f.Of), f.in(), searched(f.Of.Rule, f.Of.subject(), f.Of.Unit.String(), f.Of.Message, f.Of.File, f.in())}
		if card.Quiet != "" {
			p.Quiet = append(p.Quiet, card)
		} else {
			p.Findings = append(p.Findings, card)
		}
	}
	causes := signals(d, func(c Cluster) []Cause { return c.NeverReady })
	for _, c := range causes {
		p.Causes = append(p.Causes, causeCard{c, c.in(), searched(c.Of.Unit, c.Of.Message, c.Of.File, c.in(), strings.Join(c.Of.Blocking, " "))})
	}
	for _, i := range signals(d, func(c Cluster) []Image { return c.Images }) {
		workloads := names(refNames(i.Of.Workloads), maxNames)
		p.Images = append(p.Images, imageRow{i, workloads, i.in(), searched(i.Of.Name, strings.Join(refNames(i.Of.Workloads), " "), i.in())})
	}
	budget := maxManifests
	for n, c := range fold(d) {
		p.Clusters = append(p.Clusters, c.page(n, &budget))
	}
	return p
}

func searched(texts ...string) string { return printable(strings.Join(texts, " ")) }

func quietWord(f Finding) string {
	switch quiet(f) {
	case 1:
		return "stood before this change"
	case 2:
		return "allowed by the fleet"
	}
	return ""
}

func light(c Cluster) string {
	switch {
	case c.Severities.Danger > 0 || stuck(c.NeverReady) != "":
		return "danger"
	case c.Severities.Warning > 0:
		return "warning"
	}
	return ""
}

func chips(s Severities) []chip {
	all := []chip{{"danger", "danger", s.Danger}, {"warning", "warning", s.Warning}, {"info", "note", s.Info}}
	for i := range all {
		if all[i].Count != 1 {
			all[i].Word += "s"
		}
	}
	return slices.DeleteFunc(all, func(c chip) bool { return c.Count == 0 })
}

// policy allows the page's own style and script by their hashes, and nothing else.
func policy() string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'", sourceHash(pageStyle), sourceHash(pageScript))
}

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func fieldKind(f Field) string {
	switch {
	case f.Before == nil:
		return "add"
	case f.After == nil:
		return "remove"
	}
	return "edit"
}

// isShort tells whether both values stand in a line.
func isShort(f Field) bool { return len(valueLines(f.Before)) <= 1 && len(valueLines(f.After)) <= 1 }
