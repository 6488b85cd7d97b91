package controller

import (
	"io"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/engine"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/sched"
	"github.com/leat-dev/leat/internal/tree"
)

// announced is a store that tells of everything it stores: a unit that could
// not open an artifact runs when it is there, though no status changed.
type announced struct {
	engine.Artifacts
	stored func(object.Key)
}

// Put implements engine.Artifacts.
func (a announced) Put(key object.Key, revision, file string, t tree.Tree) (*meta.Artifact, error) {
	art, err := a.Artifacts.Put(key, revision, file, t)
	if err == nil {
		a.stored(key)
	}
	return art, err
}

// PutFile implements engine.Artifacts.
func (a announced) PutFile(key object.Key, revision, file string, content []byte) (*meta.Artifact, error) {
	art, err := a.Artifacts.PutFile(key, revision, file, content)
	if err == nil {
		a.stored(key)
	}
	return art, err
}

// PutFrom implements engine.Artifacts.
func (a announced) PutFrom(key object.Key, revision, file string, fill func(io.Writer) error) (*meta.Artifact, error) {
	art, err := a.Artifacts.PutFrom(key, revision, file, fill)
	if err == nil {
		a.stored(key)
	}
	return art, err
}

func (c *Controller) stored(key object.Key) {
	c.loop.Send(sched.Moved{Subject: engine.StoredSubject(key), Priority: sched.Released, Why: "an artifact of " + key.String() + " was stored"})
}
