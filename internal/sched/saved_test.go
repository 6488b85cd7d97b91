package sched

import (
	"reflect"
	"testing"
	"time"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/testkit"
)

// A field that is new must be saved, or said here to need no saving.
func TestEveryFieldOfStateIsSavedOrNot(t *testing.T) {
	const rest = "empty at rest"
	testkit.Fields(t, reflect.TypeFor[State](), map[string]string{
		"units": "", "subs": "", "limits": "New has them", "moved": rest, "queue": rest, "due": rest, "runs": rest, "held": rest, "passed": rest, "inRun": rest,
		"seq": "counts events", "drains": "a state that drains starts nothing", "damps": "time stands still where states are saved",
	})
	testkit.Fields(t, reflect.TypeFor[entry](), map[string]string{
		"key": "", "class": "", "subjects": "", "pending": rest, "priority": rest, "why": rest, "since": rest, "asked": rest, "running": rest, "started": rest,
		"next": rest, "removed": rest, "fight": "there is none where time stands still",
	})
}

func TestSavedStateGoesOn(t *testing.T) {
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	web, api := object.Key{Kind: "Kustomization", Name: "web"}, object.Key{Kind: "Kustomization", Name: "api"}
	s := New(Limits{"one": 1})
	s.Step(Wake{Unit: web, Class: "one"}, now)
	if _, rests := s.Standing(); rests {
		t.Fatal("it rests while a unit runs")
	}
	s.Step(Finished{Unit: web, Subjects: []string{"a", "b"}}, now)
	s.Step(Wake{Unit: api, Class: "one"}, now)
	s.Step(Finished{Unit: api, Subjects: []string{"b"}}, now)
	standing, rests := s.Standing()
	if !rests || len(standing) != 2 {
		t.Fatalf("got %v, %t", standing, rests)
	}
	again := New(Limits{"one": 1})
	again.Stand(standing)
	if runs := again.Step(Moved{Subject: "a"}, now); len(runs) != 1 || runs[0].Unit != web {
		t.Errorf("a moved: got %v, want a run of web", runs)
	}
	if runs := again.Step(Moved{Subject: "b"}, now); len(runs) != 0 {
		t.Errorf("b moved while web runs: got %v, want none, as one runs at a time", runs)
	}
	if runs := again.Step(Finished{Unit: web}, now); len(runs) != 1 || runs[0].Unit != api {
		t.Errorf("web ended: got %v, want a run of api", runs)
	}
}
