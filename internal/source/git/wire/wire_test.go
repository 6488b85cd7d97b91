package wire

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

const head = "1111111111111111111111111111111111111111"

var options = ListOptions{Prefixes: []string{"refs/heads/", "refs/tags/"}, Names: []string{"HEAD"}, MaxRefs: 100, MaxBytes: 1 << 16}

func lines(ls ...string) []byte {
	var p pkts
	for _, l := range ls {
		if l == "" {
			p.flush()
		} else {
			p.add("%s", l)
		}
	}
	return p.b
}

func TestReadAdvert(t *testing.T) {
	b := lines("# service=git-upload-pack\n", "", head+" HEAD\x00side-band-64k shallow object-format=sha1 symref=HEAD:refs/heads/main\n",
		head+" refs/heads/main\n", strings.Repeat("2", 40)+" refs/tags/v1\n", head+" refs/tags/v1^{}\n", head+" refs/pull/1/head\n", head+" refs/heads/../x\n", "")
	c, refs, err := readAdvert(newPktReader(bytes.NewReader(b)), options)
	if err != nil || len(refs) != 3 || refs[2].Name != "refs/tags/v1" || refs[2].Peeled.String() != head || !c.has("shallow") || c.has("thin-pack") {
		t.Errorf("got %v, %v, %v", c, refs, err)
	}
	empty := lines(strings.Repeat("0", 40) + " capabilities^{}\x00side-band-64k\n")
	if _, refs, err := readAdvert(newPktReader(bytes.NewReader(append(empty, "0000"...))), options); err != nil || len(refs) != 0 {
		t.Errorf("empty repository: %v, %v", refs, err)
	}
}

// With something to build on, a server of version 0 acknowledges it before the pack.
func TestReadPackAfterAck(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		caps   caps
		depth  int
	}{
		"nothing in common":     {lines("NAK\n", "\x01PACK"), caps{list: []string{"side-band-64k"}}, 0},
		"something":             {lines("ACK "+head+"\n", "\x02counting\n", "\x01PACK"), caps{list: []string{"side-band-64k"}}, 0},
		"twice":                 {lines("ACK "+head+"\n", "ACK "+head+"\n", "\x01PA", "\x01CK"), caps{list: []string{"side-band-64k"}}, 0},
		"shallow":               {lines("shallow "+head+"\n", "unshallow "+head+"\n", "", "NAK\n", "\x01PACK"), caps{list: []string{"side-band-64k", "shallow"}}, 1},
		"without bands":         {append(lines("NAK\n"), "PACK"...), caps{}, 0},
		"version 2":             {lines("packfile\n", "\x01PACK"), caps{version: 2}, 0},
		"version 2 and shallow": {append(append(lines("shallow-info\n", "shallow "+head+"\n"), "0001"...), lines("packfile\n", "\x01PACK")...), caps{version: 2}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			in := c.answer
			if name != "without bands" {
				in = append(in, "0000"...)
			}
			pack, err := Request{Depth: c.depth}.readPack(newPktReader(bytes.NewReader(in)), c.caps, io.NopCloser(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(pack)
			if err != nil || string(got) != "PACK" || c.depth > 0 && len(pack.Shallow) != 1 {
				t.Errorf("got %q, %v, shallow %v", got, err, pack.Shallow)
			}
		})
	}
}

func TestErrorsInThePack(t *testing.T) {
	for want, in := range map[string][]byte{
		"the server says: out of memory": lines("NAK\n", "\x03fatal: out of memory"[:1]+"out of memory"),
		"band 9":                         lines("NAK\n", "\x09x"),
		"unexpected EOF":                 lines("NAK\n", "\x01PA"),
	} {
		pack, err := Request{}.readPack(newPktReader(bytes.NewReader(in)), caps{list: []string{"side-band-64k"}}, io.NopCloser(nil))
		if err == nil {
			_, err = io.ReadAll(pack)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Whatever a server says: no panic, and no more than the limits.
func FuzzAnswers(f *testing.F) {
	f.Add(lines("# service=git-upload-pack\n", "", head+" HEAD\x00shallow\n", head+" refs/tags/v1\n", head+" refs/tags/v1^{}\n", ""))
	f.Add(lines("version 2\n", "ls-refs=unborn\n", "fetch=shallow\n", ""))
	f.Add(lines(head+" refs/tags/v1 peeled:"+head+"\n", "unborn HEAD symref-target:refs/heads/main\n", ""))
	f.Add(lines("shallow-info\n", "shallow "+head+"\n", "packfile\n", "\x01PACK", "\x03no"))
	f.Add(lines("ACK "+head+"\n", "NAK\n", "\x01PACK", ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		reader := func() *pktReader { return newPktReader(options.bound(bytes.NewReader(b))) }
		_, refs, _ := readAdvert(reader(), options)
		more, _ := readLsRefs(reader(), options)
		for _, r := range append(refs, more...) {
			if !ValidName(r.Name) || !options.wants(r.Name) {
				t.Fatalf("took %q", r.Name)
			}
		}
		for _, c := range []caps{{version: 2}, {list: []string{"side-band-64k", "shallow"}}} {
			if pack, err := (Request{Depth: 1}).readPack(reader(), c, io.NopCloser(nil)); err == nil {
				io.Copy(io.Discard, pack)
			}
		}
	})
}
