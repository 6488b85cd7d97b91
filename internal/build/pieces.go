package build

import (
	"bytes"
	"encoding/json"
	"regexp"
	"sync"

	"sigs.k8s.io/kustomize/api/resource"

	"github.com/leat-dev/leat/internal/hash"
)

// Where a kustomization lists files and asks for nothing else, what becomes of one
// document depends on no other (asListed). So it is found once, however many others
// stand in the same build: a line of a file of a thousand documents costs one of them.

// piece is what one document becomes.
type piece struct {
	source  hash.ID // of its text as it was written
	id      identity
	text    []byte // as kustomize prints it, before substitution
	objects []Object
	empty   bool // it holds no resource
}

// bookmark is a bounded memory of pieces, in two generations.
type bookmark struct {
	mu       sync.Mutex
	new, old map[hash.ID]*piece
}

// maxPieces bounds each generation.
const maxPieces = 10_000

// pieces holds what documents became, by their text and by what of a recipe goes into
// each object.
var pieces = &bookmark{}

func (b *bookmark) get(id hash.ID) *piece {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.new[id]; p != nil {
		return p
	}
	return b.old[id]
}

func (b *bookmark) put(id hash.ID, p *piece) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.new == nil || len(b.new) >= maxPieces {
		b.old, b.new = b.new, make(map[hash.ID]*piece)
	}
	b.new[id] = p
}

// finishing names what of a recipe goes into each object (complete).
func (r Recipe) finishing() (hash.ID, error) {
	text, err := json.Marshal([]any{r.OwnerName, r.OwnerNamespace, r.CommonLabels, r.CommonAnnotations})
	return hash.New("build.piece/v1").Str(engineVersion).Bytes(text).Sum(), err
}

func pieceID(finishing, text hash.ID) hash.ID {
	return hash.New("build.piece/v1").ID(finishing).ID(text).Sum()
}

// documentSeparator is where kyaml cuts a file (kyaml v0.21.1, kio/byteio_reader.go,
// splitDocuments).
var documentSeparator = regexp.MustCompile(`\n---.*\n`)

// cut returns the documents of a file, each as kyaml reads it; false where they may
// not be told apart by that alone: a list may be taken apart, a line may end
// otherwise, a document may begin on the line that separates it.
func cut(data []byte) ([][]byte, bool) {
	if bytes.IndexByte(data, '\r') >= 0 || bytes.Contains(data, []byte("items")) {
		return nil, false
	}
	var out [][]byte
	from := 0
	for _, at := range documentSeparator.FindAllIndex(data, -1) {
		if after := bytes.TrimSpace(data[at[0]+len("\n---") : at[1]]); len(after) > 0 && after[0] != '#' {
			return nil, false
		}
		out = append(out, data[from:at[0]+1])
		from = at[1]
	}
	return append(out, data[from:]), true
}

// asPieces is what asListed and render come to, document by document; false where
// they have to look.
func (p *port) asPieces(dir string, r Recipe) (docs []document, ok bool) {
	defer func() {
		if recover() != nil {
			docs, ok = nil, false
		}
	}()
	if !p.listing || p.origins != nil {
		return nil, false
	}
	p.load.listed = true
	files, ok := p.listedIn(dir)
	finishing, err := r.finishing()
	if !ok || err != nil {
		return nil, false
	}
	vars, seen := newVariables(r), map[identity]bool{}
	for _, name := range files {
		data, err := p.ReadFile(name)
		if err != nil {
			return nil, false
		}
		texts, ok := cut(data)
		if !ok {
			return nil, false
		}
		for _, text := range texts {
			one, ok := pieceOf(text, finishing, r)
			if !ok || seen[one.id] || vars.touch(one.text) {
				return nil, false
			}
			if !one.empty {
				seen[one.id] = true
				docs = append(docs, document{text: one.text, done: one})
			}
		}
	}
	return docs, true
}

// pieceOf is what a document becomes; false where it is not on its own.
func pieceOf(text []byte, finishing hash.ID, r Recipe) (*piece, bool) {
	source := hash.Of(text)
	id := pieceID(finishing, source)
	if known := pieces.get(id); known != nil {
		return known, true
	}
	found, err := factory.SliceFromBytes(text)
	if err != nil || len(found) > 1 {
		return nil, false
	}
	out := &piece{source: source, empty: len(found) == 0}
	if !out.empty {
		if err := out.make(found[0], r); err != nil {
			return nil, false
		}
	}
	pieces.put(id, out)
	return out, true
}

// make finds what a resource becomes, as render and finish do.
func (o *piece) make(res *resource.Resource, r Recipe) error {
	if !stays(res) || res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
		return errAgain
	}
	doc, easy := plain(res.YNode())
	if !easy {
		text, err := res.AsYAML()
		if err != nil {
			return err
		}
		doc = document{text: text}
	}
	found, err := doc.objects()
	if err != nil {
		return err
	}
	for _, u := range found {
		obj, err := r.complete(u)
		if err != nil {
			return err
		}
		o.objects = append(o.objects, obj)
	}
	o.id, o.text = identityOf(res), doc.text
	return nil
}
