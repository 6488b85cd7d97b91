package show

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/leat-dev/leat/internal/flow"
)

//go:embed *.gohtml
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "*.gohtml"))

type pageData struct {
	Verdict      string
	Good         bool
	Looks        []lookData
	Counts       string // of the looks by state
	Environments []flow.Environment
	Rows         []rowData
	Notes        []string
	Legend       []signData
}

type lookData struct{ Class, State, Text string }

type signData struct{ Sign, Class, State, Words string }

type rowData struct {
	Name, Kind, Newest string
	Cells              []cellData
}

type cellData struct {
	Class, Sign, Value, Full, Live, Title string
	Outdated                              bool
}

// HTML writes the matrix as a page that needs nothing else.
func (m Matrix) HTML(w io.Writer) error {
	d := pageData{Verdict: m.verdict(), Good: len(m.Failing()) == 0, Environments: m.Environments}
	for _, l := range m.looks() {
		d.Looks = append(d.Looks, lookData{signs[l.state].class, string(l.state), l.text})
	}
	d.Counts = counts(m.looks())
	for _, r := range m.Rows {
		row := rowData{Name: name(r), Kind: string(r.Kind), Newest: short(r.Newest)}
		for _, c := range r.Cells {
			row.Cells = append(row.Cells, cellOf(c))
		}
		d.Rows = append(d.Rows, row)
	}
	for _, n := range m.Notes {
		d.Notes = append(d.Notes, n.String())
	}
	for _, s := range []flow.State{flow.Dangling, flow.Orphan, flow.NotLive, flow.HotFix, flow.Ahead, flow.Differs, flow.Behind, flow.Alone, flow.Missing, flow.Same} {
		d.Legend = append(d.Legend, signData{signs[s].sign, signs[s].class, string(s), signs[s].words})
	}
	return pages.ExecuteTemplate(w, "matrix.gohtml", d)
}

// counts says how many looks there are of each state.
func counts(looks []look) string {
	n := map[flow.State]int{}
	for _, l := range looks {
		n[l.state]++
	}
	var parts []string
	for _, s := range worst {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}

func cellOf(c flow.Cell) cellData {
	sign := signs[c.Worst()]
	out := cellData{Class: sign.class, Sign: sign.sign, Value: short(c.Pinned), Full: c.Pinned, Live: strings.Join(c.Live, ", "), Outdated: c.Outdated}
	var lines []string
	for _, s := range c.States {
		line := string(s)
		if why := c.Why[s]; why != "" {
			line += ": " + why
		}
		lines = append(lines, line)
	}
	out.Title = strings.Join(append(lines, c.At), "\n")
	return out
}
