package helm

import (
	"strings"
	"testing"
	"text/template"
)

var guardedTemplates = []string{
	"",
	"plain text",
	"{{ range .L }}a{{ . }}b{{ end }}",
	"x\n{{- range .L -}}\n  a {{ . }}\n{{- end -}}\ny",
	"{{range $i, $e := .L}}{{$i}}{{if eq $i 1}}{{break}}{{end}}{{else}}none{{end}}",
	"{{- range .Empty }}x{{ else }} none {{ end }}",
	`{{ define "d" -}}  in {{ . }} {{- end }}[{{ template "d" 1 }}]`,
	`{{ define "empty" }}{{ end }}{{ define "empty" }} {{ end }}[{{ template "empty" }}]`,
	`{{ define "e" }}first{{ end }}{{ define "e" }}{{/* nothing */}}{{ end }}[{{ template "e" }}]`,
	`{{ block "b" . }}in{{ end }}`,
	`{{ "}}" }}{{ "{{ range" }}{{ '}' }}` + "{{ `}}` }}",
	`{{/* range }} in a comment */}}{{- /* another
	*/ -}} x`,
	"{{ range 3 }}{{ range 2 }}.{{ end }}{{ end }}",
	`{{ $range := "x" }}{{ $range }}{{ .ranger }}`,
	"{{ range .L",
	"{{ \"unclosed }}",
}

func render(text string, ticks *int) string {
	t, err := template.New("t").Funcs(template.FuncMap{tick: func() string { *ticks++; return "" }}).Parse(text)
	if err != nil {
		return "cannot be parsed"
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{"L": []int{1, 2, 3}, "Empty": []int{}, "ranger": "r"})
	if err != nil {
		return "failed"
	}
	return out.String()
}

func TestGuardedRendersTheSame(t *testing.T) {
	for _, text := range guardedTemplates {
		var none, ticks int
		if got, want := render(guarded(text), &ticks), render(text, &none); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got, want := strings.Count(guarded(text), "\n"), strings.Count(text, "\n"); got != want {
			t.Errorf("%q: %d lines became %d", text, want, got)
		}
	}
}

func TestGuardedCounts(t *testing.T) {
	for text, want := range map[string]int{
		"{{ range 5 }}x{{ end }}": 5, "{{ range 3 }}{{ range 2 }}.{{ end }}{{ end }}": 9,
		`{{ define "d" }}x{{ end }}{{ template "d" }}{{ template "d" }}`: 2, "x": 0,
	} {
		var ticks int
		if render(guarded(text), &ticks); ticks != want {
			t.Errorf("%q: got %d ticks, want %d", text, ticks, want)
		}
	}
}

func FuzzGuarded(f *testing.F) {
	for _, text := range guardedTemplates {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 || strings.Count(text, "range") > 2 || strings.Contains(text, "template") || strings.Contains(text, "block") {
			t.Skip("may not end")
		}
		for _, digit := range "0123456789" {
			if strings.ContainsRune(text, digit) {
				t.Skip("may not end")
			}
		}
		var none, ticks int
		if got, want := render(guarded(text), &ticks), render(text, &none); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	})
}
