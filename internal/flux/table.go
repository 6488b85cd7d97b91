package flux

import (
	"strings"
	"unicode"
)

// Table lays rows out as flux prints them: columns padded with spaces and ended
// by a tab, the header in capitals, the lines of a cell below each other. Without
// a header there are only rows (flux2 v2.9.5, pkg/printers/table_printer.go over
// olekukonko/tablewriter v0.0.5).
func Table(header []string, rows [][]string) string {
	widths := columnWidths(header, rows)
	var b strings.Builder
	for i, name := range header {
		end := "\t"
		if i == len(header)-1 {
			end = " "
		}
		b.WriteString(padded(strings.ToUpper(name), widths[i]) + end)
	}
	if len(header) > 0 {
		b.WriteByte('\n')
	}
	for _, row := range rows {
		writeRow(&b, row, widths)
	}
	return b.String()
}

func writeRow(b *strings.Builder, row []string, widths []int) {
	cells, height := make([][]string, len(row)), 0
	for i, text := range row {
		cells[i] = strings.Split(text, "\n")
		height = max(height, len(cells[i]))
	}
	for line := range height {
		for i, lines := range cells {
			text := "  "
			if line < len(lines) {
				text = lines[line]
			}
			b.WriteString(padded(text, widths[i]) + "\t")
		}
		b.WriteByte('\n')
	}
}

func columnWidths(header []string, rows [][]string) []int {
	widths := make([]int, len(header))
	for i, name := range header {
		widths[i] = width(name)
	}
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			for line := range strings.SplitSeq(text, "\n") {
				widths[i] = max(widths[i], width(line))
			}
		}
	}
	return widths
}

func padded(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-width(text), 0))
}

// wide are the characters that take two columns of a terminal.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0x303e, Stride: 1}, {Lo: 0x3041, Hi: 0x33ff, Stride: 1},
		{Lo: 0x3400, Hi: 0x4dbf, Stride: 1}, {Lo: 0x4e00, Hi: 0x9fff, Stride: 1}, {Lo: 0xa000, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, {Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, {Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
}

// width is how many columns of a terminal a line takes.
func width(line string) int {
	columns := 0
	for _, r := range line {
		switch {
		case r < ' ' || r == 0x7f || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.Is(wide, r):
			columns += 2
		default:
			columns++
		}
	}
	return columns
}
