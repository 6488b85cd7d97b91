package app

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"github.com/leat-dev/leat/internal/entry"
	"github.com/leat-dev/leat/internal/hash"
	"github.com/leat-dev/leat/internal/plan"
)

// savedID names everything that decides what a revision is rendered to, but for
// what its sources are read from: that is read anew (preview.Confirm). The ID must
// not be shown or stored: it is made of inputs, which may be secret. False where
// nothing is to be kept: no directory was given, a name server may answer otherwise
// while charts render, or digests of a key are asked for.
func (p *Previews) savedID(o entry.Options, r Revision) (hash.ID, bool) {
	if p.saved == nil || p.cfg.Options.HelmGates.DNS || p.cfg.Options.Approvals.Seal != nil {
		return hash.ID{}, false
	}
	program, err := programID()
	if err != nil {
		return hash.ID{}, false
	}
	id := hash.New("leat plan/v1").Str(program).Str(r.Revision()).ID(r.Tree.Hash()).Str(fmt.Sprintf("%q", r.Notes)).
		Str(fmt.Sprintf("%q %q %q", o.Path, o.Name, o.Namespace)).Str(p.choices())
	for _, m := range p.cfg.Mirrors {
		id.Str("mirror").Str(m.Text).Str(m.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(p.cfg.Values)) {
		id.Str("value").Str(name).Str(p.cfg.Values[name])
	}
	for _, file := range p.cfg.Inputs {
		data, err := os.ReadFile(file)
		if err != nil {
			return hash.ID{}, false
		}
		id.Str("input").Str(file).Bytes(data)
	}
	return id.Sum(), true
}

// choices are the flags, as text.
func (p *Previews) choices() string {
	options := p.cfg.Options
	mask := options.Mask.Fingerprint([]byte("probe")) // tells masks apart and nothing of their keys
	options.Mask, options.Log, options.Rehearse = plan.Mask{}, nil, nil
	return fmt.Sprintf("%+v %s %t %t %t", options, mask, p.cfg.Given, p.cfg.Fetch, p.children != nil)
}

// headOfProgram is how much of an executable holds the ID that the linker gave it
// (cmd/internal/buildid, readSize).
const headOfProgram = 64 << 10

// linked is that ID as it stands in an ELF note, and elsewhere.
var linked = regexp.MustCompile(`Go\x00\x00[A-Za-z0-9_/+-]{20,}|\xff Go build ID: "[^"]{20,}"`)

// programID names this executable by its content.
var programID = sync.OnceValues(func() (string, error) {
	name, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	platform := fmt.Sprintf("%s/%s %s %d ", runtime.GOOS, runtime.GOARCH, runtime.Version(), info.Size())
	head := make([]byte, headOfProgram)
	n, err := io.ReadFull(file, head)
	if err == nil {
		if found := linked.Find(head[:n]); found != nil {
			return platform + string(found), nil
		}
	}
	return hashed(file, platform) // linked without one
})

func hashed(file *os.File, platform string) (string, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	var all bytes.Buffer
	if _, err := io.Copy(&all, file); err != nil {
		return "", err
	}
	return platform + hash.Of(all.Bytes()).Hex(), nil
}
