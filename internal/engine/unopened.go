package engine

import (
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"

	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/report"
)

// storing is how long a unit calls it progress that an artifact cannot be
// opened: a process that lost its data directory stores everything again, and
// the units must not all fail meanwhile.
const storing = 30 * time.Second

// unopened ends a run whose artifact cannot be opened. It is no news when the
// source stores the same artifact again, so the unit asks for that apart.
func (c *kustomizing) unopened(art *meta.Artifact, err error) error {
	source := c.k.Source()
	c.view.stored(source)
	until := c.waitSince("artifact " + art.Digest).Add(storing)
	if c.now.Before(until) {
		c.run.Again = until
		return report.Progress(fmt.Sprintf("Waiting for %s to store its artifact again", source), source.String())
	}
	return report.RetryOn(report.ReasonArtifactFailed, fmt.Errorf("open artifact of %s: %w", source, err), source.String())
}

// stored notes that it matters when an artifact of a source is stored, also the
// one that its status names already.
func (v view) stored(source object.Key) {
	v.rec.Note(record.Read{Space: record.Object, Key: StoredSubject(source)})
}

// StoredSubject names what the store holds of a source.
func StoredSubject(source object.Key) string { return "stored" + Subject(source) }
