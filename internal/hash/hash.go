// Package hash names content by its SHA-256: equal IDs mean equal content, and
// an ID never means anything else.
//
//	id := hash.Of([]byte("hello"))
//	rec := hash.New("unit/v1").Str(name).ID(id).Sum()
//
// It must never see a secret in clear without a key: an unkeyed digest of a
// short secret can be guessed (see package secret for keyed fingerprints).
package hash

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
)

// Size is the length of an ID in bytes.
const Size = sha256.Size

// ID is the SHA-256 of some content. The zero ID means «no content known».
type ID [Size]byte

// Of returns the ID of b.
func Of(b []byte) ID { return sha256.Sum256(b) }

// OfString returns the ID of s.
func OfString(s string) ID { return sha256.Sum256([]byte(s)) }

// IsZero tells whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Hex returns id as 64 lower-case hexadecimal digits.
func (id ID) Hex() string { return hex.EncodeToString(id[:]) }

// String returns id in the digest notation of OCI, sha256:<64 hex digits>.
func (id ID) String() string { return "sha256:" + id.Hex() }

// Short returns the first eight hexadecimal digits, for people.
func (id ID) Short() string { return hex.EncodeToString(id[:4]) }

// Parse reads the notation that String writes; it also accepts bare hex.
func Parse(s string) (ID, error) {
	var id ID
	text := s
	if len(text) > 7 && text[:7] == "sha256:" {
		text = text[7:]
	}
	if len(text) != 2*Size {
		return id, fmt.Errorf("parse digest %q: want sha256: and %d hexadecimal digits", s, 2*Size)
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return ID{}, fmt.Errorf("parse digest %q: %w", s, err)
	}
	return id, nil
}

// Recipe hashes a sequence of fields unambiguously: each field is preceded by
// its length, so ("a", "bc") and ("ab", "c") differ.
type Recipe struct{ h hash.Hash }

// New starts a recipe; kind separates recipes of different meaning.
func New(kind string) *Recipe {
	r := &Recipe{h: sha256.New()}
	return r.Str(kind)
}

// Str adds a string.
func (r *Recipe) Str(s string) *Recipe { return r.Bytes([]byte(s)) }

// Bytes adds a byte string.
func (r *Recipe) Bytes(b []byte) *Recipe {
	r.Int(int64(len(b)))
	r.h.Write(b)
	return r
}

// Int adds a number.
func (r *Recipe) Int(n int64) *Recipe {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], uint64(n))
	r.h.Write(buf[:])
	return r
}

// ID adds another ID.
func (r *Recipe) ID(id ID) *Recipe {
	r.h.Write(id[:])
	return r
}

// Sum returns the recipe's ID.
func (r *Recipe) Sum() ID {
	var id ID
	r.h.Sum(id[:0])
	return id
}
