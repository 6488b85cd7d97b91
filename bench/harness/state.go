package main

import (
	"encoding/json"
	"fmt"
)

// state is what the harness reads of an object that an engine reports on; the
// rest is skipped over, which keeps watching cheap.
type state struct {
	Metadata struct {
		Name       string `json:"name"`
		Namespace  string `json:"namespace"`
		Generation int64  `json:"generation"`
	} `json:"metadata"`
	Status struct {
		ObservedGeneration int64       `json:"observedGeneration"`
		Conditions         []condition `json:"conditions"`
		LastApplied        string      `json:"lastAppliedRevision"`
		History            []snapshot  `json:"history"` // of a HelmRelease, newest first
		Artifact           *struct {
			Revision string `json:"revision"`
		} `json:"artifact"`
	} `json:"status"`
}

// snapshot is a version of a Helm release.
type snapshot struct {
	ChartVersion string `json:"chartVersion"`
	Status       string `json:"status"`
	Version      int    `json:"version"`
}

type condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
	ObservedGeneration int64  `json:"observedGeneration"`
}

func decodeState(b json.RawMessage) (state, error) {
	var s state
	err := json.Unmarshal(b, &s)
	return s, err
}

func (s state) key() string { return s.Metadata.Namespace + "/" + s.Metadata.Name }

// is tells whether a condition is True.
func (s state) is(condition string) bool {
	for _, c := range s.Status.Conditions {
		if c.Type == condition {
			return c.Status == "True"
		}
	}
	return false
}

// ready tells whether the engine says Ready of the newest spec.
func (s state) ready() bool {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && s.Status.ObservedGeneration == s.Metadata.Generation &&
				(c.ObservedGeneration == 0 || c.ObservedGeneration == s.Metadata.Generation)
		}
	}
	return false
}

// readyAt returns the test whether a unit or source is Ready at a revision; of a
// HelmRelease, that is the version of the chart.
func readyAt(revision string) func(state) bool {
	return func(s state) bool { return s.revision() == revision && s.ready() }
}

func (s state) revision() string {
	switch {
	case s.Status.Artifact != nil:
		return s.Status.Artifact.Revision
	case len(s.Status.History) > 0 && s.Status.History[0].Status == "deployed":
		return s.Status.History[0].ChartVersion
	}
	return s.Status.LastApplied
}

// why says in a line where an object stands, for an error.
func (s state) why() string {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" {
			return fmt.Sprintf("%s: Ready=%s %s at %q, generation %d of %d: %.200s", s.key(), c.Status, c.Reason,
				s.revision(), s.Status.ObservedGeneration, s.Metadata.Generation, c.Message)
		}
	}
	return s.key() + ": no Ready condition"
}
