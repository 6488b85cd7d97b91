package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"github.com/leat-dev/leat/internal/source/fault"
)

// scanned is what scan learns of a pack.
type scanned struct {
	objects   int
	bytes     int64 // of the pack
	refDeltas bool
	checksum  plumbing.Hash
	entries   []entry // of a pack that fits into memory, else nil
}

// scan reads a pack to its end and refuses one that breaks a limit, before
// anything of it is unpacked into memory: sizes are those that objects have,
// and deltas make, in truth.
func scan(ctx context.Context, r io.Reader, l Limits) (scanned, error) {
	in := &meter{ctx: ctx, r: r, limit: l.PackBytes}
	sc := packfile.NewScanner(in)
	_, n, err := sc.Header()
	if err != nil {
		return scanned{}, in.explain("read pack", err)
	}
	if int64(n) > int64(l.PackObjects) {
		return scanned{}, tooLarge("the pack has %d objects, more than %d", n, l.PackObjects)
	}
	out := scanned{objects: int(n)}
	kept := keeper{on: true}
	var unpacked int64
	for range n {
		size, err := scanObject(sc, l, &kept)
		if err != nil {
			return out, in.explain("read pack", err)
		}
		if unpacked += size; size > l.Object || unpacked > l.Unpacked {
			return out, tooLarge("the objects of the pack have more than %d bytes, or one more than %d", l.Unpacked, l.Object)
		}
		kept.on = kept.on && unpacked <= maxMemoryUnpacked && in.n <= maxMemoryPack
	}
	if out.checksum, err = sc.Checksum(); err != nil && !errors.Is(err, io.EOF) {
		return out, in.explain("read pack", err)
	}
	if _, err := io.Copy(io.Discard, in); err != nil {
		return out, in.explain("read pack", err)
	}
	out.bytes, out.refDeltas = in.n, kept.refDeltas
	if kept.on && n > 0 {
		out.entries = kept.entries
	}
	return out, nil
}

// keeper collects the objects of a pack while they fit into memory.
type keeper struct {
	on        bool
	entries   []entry
	refDeltas bool
}

// scanObject reads one object and returns the size that it has in the end.
func scanObject(sc *packfile.Scanner, l Limits, kept *keeper) (int64, error) {
	h, err := sc.NextObjectHeader()
	if err != nil {
		return 0, err
	}
	if h.Length > l.Object {
		return 0, tooLarge("an object has %d bytes, more than %d", h.Length, l.Object)
	}
	w := &objectMeter{limit: h.Length, delta: h.Type.IsDelta(), keep: kept.on && h.Length <= maxMemoryUnpacked}
	_, crc, err := sc.NextObject(w)
	if err != nil {
		return 0, err
	}
	kept.refDeltas = kept.refDeltas || h.Type == plumbing.REFDeltaObject
	if !w.keep {
		kept.on, kept.entries = false, nil
		return w.size(), nil
	}
	kept.entries = append(kept.entries, entry{
		offset: h.Offset, crc: crc, kind: h.Type, data: w.data, delta: w.delta,
		baseOffset: h.OffsetReference, base: Hash(h.Reference),
	})
	return w.size(), nil
}

func tooLarge(format string, args ...any) error {
	return &fault.Error{Class: fault.TooLarge, Err: fmt.Errorf(format, args...)}
}

// meter counts what is read and ends at a limit or with its context.
type meter struct {
	ctx      context.Context // of the one scan that made it
	r        io.Reader
	n, limit int64
	err      error
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		m.err = err
		return 0, err
	}
	n, err := m.r.Read(p)
	if m.n += int64(n); m.n > m.limit {
		err = tooLarge("the pack has more than %d bytes", m.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// explain prefers what broke the stream to what the parser makes of it.
func (m *meter) explain(what string, err error) error {
	if m.err != nil {
		return m.err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// objectMeter counts the bytes of one object and keeps the head of a delta,
// which says how large its result is.
type objectMeter struct {
	limit, n int64
	delta    bool
	head     []byte
	keep     bool
	data     []byte
}

// Write implements io.Writer.
func (w *objectMeter) Write(p []byte) (int, error) {
	if w.n += int64(len(p)); w.n > w.limit {
		return 0, errors.New("an object is larger than it says")
	}
	if w.keep {
		w.data = append(w.data, p...)
	}
	if room := 20 - len(w.head); w.delta && room > 0 {
		w.head = append(w.head, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// size returns the size of the object in the end: for a delta, the second of
// the two numbers that it starts with (gitformat-pack).
func (w *objectMeter) size() int64 {
	if !w.delta {
		return w.n
	}
	r := bytes.NewReader(w.head)
	_, err := varint(r)
	if err != nil {
		return w.n
	}
	size, err := varint(r)
	if err != nil {
		return w.n
	}
	return max(size, w.n)
}

func varint(r io.ByteReader) (int64, error) {
	var n int64
	for shift := 0; shift < 63; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int64(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 1<<63 - 1, nil
}
