package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/leat-dev/leat/internal/chart"
)

func indexOf(n int) *chart.Index {
	list := make([]chart.Version, n)
	for i := range list {
		list[i] = chart.Version{Name: "a", Version: "1.0.0"}
	}
	return chart.NewIndex(list)
}

func TestAnIndexIsParsedOnce(t *testing.T) {
	var x indexes
	var parsed atomic.Int64
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			p, err := x.get(fmt.Sprint(i%2), func(p *parsedIndex) error {
				parsed.Add(1)
				p.index = indexOf(1)
				return nil
			})
			if err != nil || p.index.Len() != 1 {
				t.Error(p, err)
			}
		})
	}
	wg.Wait()
	if n := parsed.Load(); n != 2 {
		t.Errorf("500 asked for two indexes, which were parsed %d times", n)
	}
}

func TestAnIndexThatCannotBeParsedIsTriedAgain(t *testing.T) {
	var x indexes
	if _, err := x.get("a", func(*parsedIndex) error { return errors.New("no") }); err == nil {
		t.Error("no error")
	}
	if _, err := x.get("a", func(p *parsedIndex) error { p.index = indexOf(1); return nil }); err != nil {
		t.Error(err)
	}
}

func TestIndexesAreBounded(t *testing.T) {
	var x indexes
	for i := range maxIndexes + 10 {
		if _, err := x.get(fmt.Sprint(i), func(p *parsedIndex) error { p.index = indexOf(1); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(x.recent); n != maxIndexes {
		t.Errorf("%d are remembered", n)
	}
	if _, err := x.get("large", func(p *parsedIndex) error { p.index = indexOf(maxIndexed - 10); return nil }); err != nil {
		t.Fatal(err)
	}
	if n := len(x.recent); n != 11 {
		t.Errorf("%d are remembered beside a large one, want 10", n-1)
	}
}
