package git

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// packed is one object of a pack made by hand.
type packed struct {
	kind   plumbing.ObjectType
	size   int64 // that the header claims; -1 for the truth
	base   Hash  // of a reference delta
	offset int64 // back to the base of an offset delta
	data   string
}

func pack(t testing.TB, objects ...packed) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("PACK\x00\x00\x00\x02")
	binary.Write(&b, binary.BigEndian, uint32(len(objects)))
	for _, o := range objects {
		size := o.size
		if size < 0 {
			size = int64(len(o.data))
		}
		c := byte(o.kind)<<4 | byte(size&15)
		for size >>= 4; size > 0; size >>= 7 {
			b.WriteByte(c | 0x80)
			c = byte(size & 0x7f)
		}
		b.WriteByte(c)
		switch o.kind {
		case plumbing.REFDeltaObject:
			b.Write(o.base[:])
		case plumbing.OFSDeltaObject:
			b.WriteByte(byte(o.offset)) // below 128
		}
		zw := zlib.NewWriter(&b)
		zw.Write([]byte(o.data))
		zw.Close()
	}
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return b.Bytes()
}

func blobID(text string) Hash { return Hash(plumbing.ComputeHash(plumbing.BlobObject, []byte(text))) }

// insert is a delta that replaces a base of some length by text.
func insert(baseLen int, text string) string {
	return string([]byte{byte(baseLen), byte(len(text)), byte(len(text))}) + text
}

func ingest(t testing.TB, l Limits, b []byte) (*store, error) {
	t.Helper()
	st, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.ingest(context.Background(), bytes.NewReader(b), l.withDefaults(), newLRU(1<<20))
	return st, err
}

func TestIngest(t *testing.T) {
	b := pack(t,
		packed{plumbing.REFDeltaObject, -1, blobID("second"), 0, insert(6, "third")}, // before its base
		packed{plumbing.BlobObject, -1, Hash{}, 0, "first"},
		packed{plumbing.REFDeltaObject, -1, blobID("first"), 0, insert(5, "second")},
		packed{plumbing.BlobObject, -1, Hash{}, 0, ""},
	)
	st, err := ingest(t, Limits{}, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second", "third", ""} {
		got, err := st.object(plumbing.BlobObject, blobID(text), 100)
		if err != nil || string(got) != text {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestHostilePacks(t *testing.T) {
	loopA, loopB := Hash{1}, Hash{2}
	long := string([]byte{5}) + "\xff\xff\xff\xff\x7f" + "\x90\xff" // claims a result of 34 GB
	for name, c := range map[string]struct {
		pack   []byte
		limits Limits
		err    string
	}{
		"nothing":            {pack: nil, err: "empty packfile"},
		"not a pack":         {pack: []byte(strings.Repeat("rubbish ", 10)), err: "read pack"},
		"cut off":            {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"})[:20], err: "EOF"},
		"more than it holds": {pack: []byte("PACK\x00\x00\x00\x02\x00\x10\x00\x00"), err: "EOF"},
		"4 billion objects":  {pack: []byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"), err: "4294967295 objects, more than"},
		"a loop of deltas": {pack: pack(t, packed{plumbing.REFDeltaObject, -1, loopA, 0, insert(5, "x")},
			packed{plumbing.REFDeltaObject, -1, loopB, 0, insert(5, "y")}), err: errBase.Error()},
		"base before the pack": {pack: pack(t, packed{plumbing.OFSDeltaObject, -1, Hash{}, 100, insert(5, "x")}), err: "OFS delta offset"},
		"base inside another":  {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.OFSDeltaObject, -1, Hash{}, 3, insert(5, "x")}), err: errBase.Error()},
		"a delta bomb":         {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.REFDeltaObject, -1, blobID("first"), 0, long}), err: "one more than"},
		"a lie on the size":    {pack: pack(t, packed{plumbing.BlobObject, 3, Hash{}, 0, strings.Repeat("x", 1<<20)}), err: "exceeds declared size"},
		"a header of 1 TB":     {pack: pack(t, packed{plumbing.BlobObject, 1 << 40, Hash{}, 0, "x"}), err: "1099511627776 bytes, more than"},
		"a zlib bomb":          {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, strings.Repeat("x", 5<<20)}), limits: Limits{Object: 1 << 20}, err: "more than 1048576"},
		"many small bombs": {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, strings.Repeat("x", 1<<20)}, packed{plumbing.BlobObject, -1, Hash{}, 0, strings.Repeat("y", 1<<20)}),
			limits: Limits{Unpacked: 3 << 19}, err: "more than 1572864 bytes"},
		"a delta past its base": {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.REFDeltaObject, -1, blobID("first"), 0, "\x05\x05\x91\x64\x05"}), err: "delta"},
		"an empty delta":        {pack: pack(t, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.REFDeltaObject, -1, blobID("first"), 0, ""}), err: "delta"},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := ingest(t, c.limits, c.pack)
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, want %q", err, c.err)
			}
			if st.has(blobID("first")) {
				t.Error("something of a refused pack is used")
			}
		})
	}
	if _, err := ingest(t, Limits{}, pack(t)); err != nil {
		t.Errorf("an empty pack: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := scan(ctx, bytes.NewReader(pack(t)), DefaultLimits); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// patience is more than any input of a fuzzer takes.
const patience = 10 * time.Second

// Whatever the bytes: no panic, an end, and limits kept.
func FuzzPack(f *testing.F) {
	f.Add(pack(f, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.REFDeltaObject, -1, blobID("first"), 0, insert(5, "second")}))
	f.Add(pack(f, packed{plumbing.BlobObject, -1, Hash{}, 0, "first"}, packed{plumbing.OFSDeltaObject, -1, Hash{}, 14, insert(5, "second")}))
	l := Limits{PackBytes: 1 << 16, PackObjects: 100, Unpacked: 1 << 20, Object: 1 << 18}.withDefaults()
	f.Fuzz(func(t *testing.T, b []byte) {
		defer time.AfterFunc(patience, func() { panic(fmt.Sprintf("still reading %x", b)) }).Stop()
		found, err := scan(context.Background(), bytes.NewReader(b), l)
		if err != nil {
			return
		}
		_ = resolveAll(found.entries, func(Hash) (plumbing.ObjectType, []byte, error) { return 0, nil, errBase })
		sum := 0
		for _, e := range found.entries {
			sum += len(e.data)
		}
		if sum > 1<<20 {
			t.Fatalf("%d bytes", sum)
		}
	})
}
