package oci

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestFlights(t *testing.T) {
	now := time.Unix(1000, 0)
	f := &flights[int]{now: func() time.Time { return now }, keep: 2}
	asked := 0
	ask := func(context.Context) (int, error) { asked++; return asked, nil }
	get := func(key string, since time.Time) int {
		t.Helper()
		n, err := f.get(t.Context(), question{key, since}, ask)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if a, b := get("x", now), get("x", now.Add(-time.Second)); a != 1 || b != 1 {
		t.Errorf("got %d and %d, want one answer", a, b)
	}
	now = now.Add(time.Second)
	if n := get("x", now); n != 2 {
		t.Errorf("got %d, want a new answer", n)
	}
	get("y", now)
	now = now.Add(time.Second)
	get("z", now)
	if len(f.by) != 2 || f.by["z"] == nil {
		t.Errorf("kept %d", len(f.by))
	}
}

// Errors are not remembered, and the end of one who asks is not that of others.
func TestFlightsErrors(t *testing.T) {
	f := &flights[int]{now: time.Now, keep: 2}
	broken := errors.New("broken")
	if _, err := f.get(t.Context(), question{key: "x"}, func(context.Context) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	first, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go f.get(first, question{key: "x"}, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, ctx.Err()
	})
	<-started
	second := make(chan int)
	go func() {
		n, err := f.get(t.Context(), question{key: "x"}, func(context.Context) (int, error) { return 7, nil })
		if err != nil {
			t.Error(err)
		}
		second <- n
	}()
	cancel()
	if n := <-second; n != 7 {
		t.Errorf("got %d", n)
	}
}

func TestLRU(t *testing.T) {
	c := newLRU(1000, func(b []byte) int64 { return int64(len(b)) })
	c.put("a", make([]byte, 100))
	c.put("b", make([]byte, 100))
	c.get("a")
	c.put("c", make([]byte, 100))
	c.put("huge", make([]byte, 900))
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "huge": false} {
		if _, ok := c.get(key); ok != want {
			t.Errorf("%s: got %v", key, ok)
		}
	}
}
