package tree

import (
	"fmt"

	"github.com/leat-dev/leat/internal/hash"
)

// Mode is what a file may carry beside its content.
type Mode uint8

// The modes of files.
const (
	Regular Mode = iota
	Executable
)

// Blob is the content of a file.
type Blob struct {
	ID   hash.ID // of the content
	Size int64   // in bytes
	Mode Mode

	content Content
}

// Content brings the bytes of a blob, as often as asked, always the same.
type Content interface {
	Read() ([]byte, error)
}

// Bytes is content held in memory.
type Bytes []byte

// Read returns b itself; the caller must not change it.
func (b Bytes) Read() ([]byte, error) { return b, nil }

// NewBlob names content that is known to hash to id.
func NewBlob(id hash.ID, size int64, mode Mode, c Content) *Blob {
	return &Blob{ID: id, Size: size, Mode: mode, content: c}
}

// BlobOf returns a regular file with the given content.
func BlobOf(b []byte) *Blob {
	return &Blob{ID: hash.Of(b), Size: int64(len(b)), content: Bytes(b)}
}

// Read returns the content; the caller must not change it.
func (b *Blob) Read() ([]byte, error) {
	if b.content == nil {
		return nil, fmt.Errorf("blob %s has no content", b.ID.Short())
	}
	return b.content.Read()
}
