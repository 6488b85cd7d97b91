package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A frame is one message on a pipe: its kind in one byte, the length of its body
// in four, big endian, and the body.
type frame struct {
	kind byte
	body []byte
}

// The kinds of frames. From the parent: the name of a job's work and its input,
// and answers. From the child: questions, and how the job ended.
const (
	kindWork     = 'W'
	kindInput    = 'I'
	kindAnswer   = 'A'
	kindNoAnswer = 'N' // the body says why
	kindQuestion = 'Q'
	kindDone     = 'D'
	kindRefused  = 'F' // the body says why
	kindLast     = 'L' // goes before one of the latter: the child takes no more jobs
)

// Bounds of what passes through the pipes, in bytes.
const (
	maxInput    = 256 << 20
	maxQuestion = 64 << 10
	maxAnswer   = 32 << 20
	maxOutput   = 128 << 20
	maxRefusal  = 64 << 10
	// maxQuestions bounds their number in one job that names no other bound.
	maxQuestions = 10_000
)

var maxBody = map[byte]int{
	kindWork: 256, kindInput: maxInput, kindAnswer: maxAnswer, kindNoAnswer: maxRefusal,
	kindQuestion: maxQuestion, kindDone: maxOutput, kindRefused: maxRefusal, kindLast: 0,
}

// errProtocol is a message that cannot be: too large, or out of place.
var errProtocol = errors.New("isolated work: broken message")

func send(w io.Writer, kind byte, body []byte) error {
	if limit := maxBody[kind]; len(body) > limit {
		return fmt.Errorf("%w: %d bytes are more than the limit of %d", errProtocol, len(body), limit)
	}
	header := [5]byte{kind}
	binary.BigEndian.PutUint32(header[1:], uint32(len(body)))
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

func receive(r io.Reader) (frame, error) {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	limit, known := maxBody[header[0]]
	n := int64(binary.BigEndian.Uint32(header[1:]))
	if !known || n > int64(limit) {
		return frame{}, fmt.Errorf("%w: kind %q with %d bytes", errProtocol, header[0], n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return frame{header[0], body}, err
}

// clip bounds the text of an error.
func clip(text string) []byte {
	if len(text) > maxRefusal {
		text = text[:maxRefusal-4] + " ..."
	}
	return []byte(text)
}
