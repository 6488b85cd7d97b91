package build

import (
	"maps"
	"slices"

	"github.com/leat-dev/leat/internal/hash"
)

// SavedPiece is what a document of a build became, beside its object.
type SavedPiece struct {
	Source   hash.ID // of the text of the document
	Printed  []byte  // as kustomize prints it
	Identity [5]string
}

// worthPieces is from how many objects on a build is worth keeping its pieces: fewer
// are read anew in less time.
const worthPieces = 32

// of are the pieces that a result was made of; nil where one is not known.
func (b *bookmark) of(r Result) []SavedPiece {
	if len(r.Objects) < worthPieces {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	byText := make(map[*byte]*piece, len(b.new)+len(b.old))
	for _, generation := range []map[hash.ID]*piece{b.old, b.new} {
		for p := range maps.Values(generation) {
			if len(p.objects) == 1 {
				byText[&p.objects[0].JSON[0]] = p
			}
		}
	}
	out := make([]SavedPiece, len(r.Objects))
	for i, o := range r.Objects {
		p := byText[&o.JSON[0]] // the very text: results share it with pieces
		if p == nil {
			return nil
		}
		out[i] = SavedPiece{p.source, p.text, [5]string{p.id.group, p.id.version, p.id.kind, p.id.namespace, p.id.name}}
	}
	return out
}

// Remember has documents that another process built be known to become what they
// became there, under a recipe.
func (s Saved) Remember(r Recipe) error {
	if len(s.Pieces) == 0 {
		return nil
	}
	finishing, err := r.finishing()
	if err != nil {
		return err
	}
	for i, p := range s.Pieces {
		id := identity{p.Identity[0], p.Identity[1], p.Identity[2], p.Identity[3], p.Identity[4]}
		decodes.add(p.Source)
		pieces.put(pieceID(finishing, p.Source), &piece{
			source: p.Source, id: id, text: p.Printed, objects: slices.Clip(s.Outcome.Result.Objects[i : i+1]),
		})
	}
	return nil
}
