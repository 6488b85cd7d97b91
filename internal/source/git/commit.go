package git

import (
	"bytes"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Person is an author or committer.
type Person struct {
	Name, Email string
	When        time.Time
}

// Signed is an object that may be signed: Payload is what Signature signs,
// byte for byte.
type Signed struct {
	Signature string // armoured PGP or SSH signature, "" for none
	Payload   []byte
}

// Commit is a commit that is here.
type Commit struct {
	Target
	Tree      Hash
	Author    Person
	Committer Person
	Message   string
	Signed    Signed
	Tag       *Tag // of a Ref that named a tag
}

// Tag is the tag through which a commit was found; a lightweight tag has
// nothing but a name.
type Tag struct {
	Name    string
	Hash    Hash // of the tag object, zero for a lightweight tag
	Target  Hash // what the tag object says it tags
	Tagger  Person
	Message string
	Signed  Signed
}

// maxCommit bounds a commit or tag object, in bytes.
const maxCommit = 8 << 20

// commit reads what is known of a target that is here.
func (r *Remote) commit(t Target) (Commit, error) {
	b, err := r.objects().object(plumbing.CommitObject, t.Hash, maxCommit)
	if err != nil {
		return Commit{}, r.at(err)
	}
	var oc object.Commit
	if err := oc.Decode(memory(plumbing.CommitObject, b)); err != nil {
		return Commit{}, r.at(err)
	}
	c := Commit{
		Target: t, Tree: Hash(oc.TreeHash), Message: oc.Message,
		Author: person(oc.Author), Committer: person(oc.Committer),
		Signed: Signed{Signature: oc.PGPSignature, Payload: withoutSignature(b)},
	}
	if name, ok := strings.CutPrefix(t.Ref, tags); ok {
		c.Tag, err = r.tag(name, t)
	}
	return c, r.at(err)
}

func (r *Remote) tag(name string, t Target) (*Tag, error) {
	if t.Object == t.Hash {
		return &Tag{Name: name, Target: t.Hash}, nil
	}
	b, err := r.objects().object(plumbing.TagObject, t.Object, maxCommit)
	if err != nil {
		return nil, err
	}
	var ot object.Tag
	if err := ot.Decode(memory(plumbing.TagObject, b)); err != nil {
		return nil, err
	}
	payload := b
	if ot.PGPSignature != "" {
		if i := bytes.LastIndex(b, []byte(ot.PGPSignature)); i >= 0 {
			payload = b[:i]
		}
	}
	return &Tag{
		Name: name, Hash: t.Object, Target: Hash(ot.Target), Message: ot.Message, Tagger: person(ot.Tagger),
		Signed: Signed{Signature: ot.PGPSignature, Payload: payload},
	}, nil
}

func person(s object.Signature) Person { return Person{s.Name, s.Email, s.When} }

func memory(kind plumbing.ObjectType, b []byte) plumbing.EncodedObject {
	o := &plumbing.MemoryObject{}
	o.SetType(kind)
	o.Write(b) // never fails
	return o
}

// withoutSignature returns a commit as it was before it was signed: without the
// header gpgsig and the lines that continue it (those start with a space).
func withoutSignature(b []byte) []byte {
	out := make([]byte, 0, len(b))
	skipping := false
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n') + 1
		if i == 0 {
			i = len(b)
		}
		line := b[:i]
		if len(line) == 1 { // the headers end
			return append(out, b...)
		}
		skipping = bytes.HasPrefix(line, []byte("gpgsig ")) || skipping && line[0] == ' '
		if !skipping {
			out = append(out, line...)
		}
		b = b[i:]
	}
	return out
}
