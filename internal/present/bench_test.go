package present_test

import (
	"io"
	"testing"

	"github.com/leat-dev/leat/internal/present"
)

// A plan that changes 10,000 objects of 1000 units, in every form.
func BenchmarkHuge(b *testing.B) {
	plan := huge(1000)
	doc := present.Make(plan)
	for name, render := range map[string]func(){
		"make":     func() { present.Make(plan) },
		"text":     func() { doc.Text(present.Style{Width: 100}) },
		"markdown": func() { doc.Markdown(present.Comment{}) },
		"html":     func() { _ = doc.HTML(io.Discard) },
		"json":     func() { _, _ = doc.JSON() },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				render()
			}
		})
	}
}
