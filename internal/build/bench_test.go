package build

import (
	"context"
	"errors"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func benchmarkCase(b *testing.B) (tree.Tree, Recipe) {
	b.Helper()
	return files(b, app("apps/web", "web")), Recipe{
		Path: "apps/web", OwnerName: "web", OwnerNamespace: "flux-system", Substitute: map[string]string{"zone": "us"},
	}
}

// BenchmarkBuild is a small app: Deployment, ServiceAccount, Service, Ingress.
func BenchmarkBuild(b *testing.B) {
	tr, recipe := benchmarkCase(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Run(context.Background(), tr, recipe, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildBound is the same where heavy builds are done elsewhere: with the estimate.
func BenchmarkBuildBound(b *testing.B) {
	tr, recipe := benchmarkCase(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Run(context.Background(), tr, recipe, Options{Apart: &elsewhere{refuse: errors.New("handed over")}}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuildParallel is the same on every processor at once.
func BenchmarkBuildParallel(b *testing.B) {
	tr, recipe := benchmarkCase(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := Run(context.Background(), tr, recipe, Options{}); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkFlux is the same through Flux's library, from a folder on disk.
func BenchmarkFlux(b *testing.B) {
	tr, recipe := benchmarkCase(b)
	root := copyTree(b, tr)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := flux(root, recipe); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkResetSchema is what parsing the built-in schema costs.
func BenchmarkResetSchema(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		withSchema(true, func() {})
	}
}

// BenchmarkOwnSchema is a build that brings a schema, and so runs alone.
func BenchmarkOwnSchema(b *testing.B) {
	tr := files(b, schemaCase("schema"))
	for b.Loop() {
		if _, _, err := Run(context.Background(), tr, Recipe{Path: "schema"}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	tr, recipe := benchmarkCase(b)
	c := NewCache(Limits{})
	if _, err := c.Run(context.Background(), tr, recipe, Options{}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, hit := c.Lookup(context.Background(), tr, recipe, Options{}); !hit {
			b.Fatal("no hit")
		}
	}
	b.ReportMetric(float64(c.Bytes()), "B/entry")
}
