package helm

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
	corev1 "k8s.io/api/core/v1"
)

// A record of one mebibyte can unpack to a thousand times that, and anybody may write
// one who may write Secrets in a namespace that has a HelmRelease.
const (
	// maxUnpacked bounds the bytes of a release when it is read. The largest of the
	// charts in use unpack to some ten times their record.
	maxUnpacked = 32 << 20
	// maxParts bounds the values of its JSON, each of which takes more memory than text.
	maxParts = 1_000_000
	// partBytes is about what one takes.
	partBytes = 48
	// maxHistory bounds the bytes of the versions that are read of a release; older
	// ones are passed over.
	maxHistory = 128 << 20
	// maxHistoryPacked bounds what is held of them before they are unpacked.
	maxHistoryPacked = 64 << 20
	// freeHistory is how much of a history everybody may read at any time. What is
	// beyond that shares maxHeld, the bound on all large releases of the process.
	freeHistory = 8 << 20
	maxHeld     = 512 << 20
)

var (
	errUnpacked = fmt.Errorf("it has more than %d bytes, or %d values", maxUnpacked, maxParts)
	errHistory  = errors.New("the newer versions of the release take all that may be read of one; set spec.maxHistory lower, or delete old versions")
	errCrowded  = errors.New("too many large releases are being worked on; this one is tried again")
)

// large are the releases of this process that are beyond what is free.
var large = &crowd{free: freeHistory, history: maxHistory, most: maxHeld}

// crowd counts what large releases take as long as they are in use.
type crowd struct {
	free, history, most int64 // bytes

	mu   sync.Mutex // held while one is unpacked: one at a time
	held atomic.Int64
}

// enter tells whether there is room for so many bytes; the caller holds mu.
func (c *crowd) enter(n int64) error {
	if c.held.Load()+n > c.most {
		runtime.GC() // what nobody works on any more is counted until it is collected
	}
	if c.held.Load()+n > c.most {
		return errCrowded
	}
	return nil
}

// hold counts n bytes for as long as rel is in use, or a copy of it: they share the chart.
func (c *crowd) hold(rel *relv1.Release, n int64) {
	c.held.Add(n)
	runtime.AddCleanup(rel.Chart, func(n int64) { c.held.Add(-n) }, n)
}

// Large tells whether a history takes so much memory that it is better read again than
// kept while something waits.
func Large(history []*relv1.Release) bool {
	n := 0
	for _, rel := range history {
		n += len(rel.Manifest)
		if rel.Chart != nil {
			for _, f := range slices.Concat(rel.Chart.Templates, rel.Chart.Files) {
				n += len(f.Data)
			}
		}
	}
	return n > freeHistory
}

// unpacking reads the versions of one release.
type unpacking struct {
	crowd *crowd
	taken int64 // bytes so far
}

// release reads a record. Those of old versions of Helm are not packed.
func (u *unpacking) release(data []byte) (*relv1.Release, error) {
	text, err := base64.StdEncoding.AppendDecode(nil, data)
	if err != nil {
		return nil, err
	}
	var packed io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(text, magicGzip) {
		if packed, err = gzip.NewReader(packed); err != nil {
			return nil, err
		}
	}
	free := max(u.crowd.free-u.taken, 0)
	text, err = io.ReadAll(io.LimitReader(packed, free+1))
	if err != nil {
		return nil, err
	}
	if weight(text) <= free {
		return u.parse(text)
	}
	u.crowd.mu.Lock()
	defer u.crowd.mu.Unlock()
	if err := u.crowd.enter(0); err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(packed, max(maxUnpacked+1-int64(len(text)), 0)))
	if err != nil {
		return nil, err
	}
	text = append(text, rest...)
	if len(text) > maxUnpacked {
		return nil, errUnpacked
	}
	n := weight(text)
	if err := u.crowd.enter(n); err != nil {
		return nil, err
	}
	rel, err := u.parse(text)
	if err == nil {
		u.crowd.hold(rel, n)
	}
	return rel, err
}

func (u *unpacking) parse(text []byte) (*relv1.Release, error) {
	if parts(text) > maxParts {
		return nil, errUnpacked
	}
	n := weight(text)
	if u.taken+n > u.crowd.history {
		return nil, errHistory
	}
	rel := &relv1.Release{}
	if err := json.Unmarshal(text, rel); err != nil {
		return nil, err
	}
	u.taken += n
	return whole(rel)
}

// whole refuses what Helm never writes and its code does not expect.
func whole(rel *relv1.Release) (*relv1.Release, error) {
	if rel.Chart == nil {
		rel.Chart = &chart.Chart{}
	}
	if rel.Chart.Metadata == nil {
		rel.Chart.Metadata = &chart.Metadata{}
	}
	if slices.Contains(rel.Hooks, nil) || slices.Contains(rel.Chart.Templates, nil) || slices.Contains(rel.Chart.Files, nil) {
		return nil, errors.New("one of its hooks or files is null")
	}
	return rel, nil
}

// weight is about what JSON takes when it was read, in bytes.
func weight(text []byte) int64 { return int64(len(text)) + partBytes*int64(parts(text)) }

// parts counts the values of JSON, about.
func parts(text []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == '{' || c == '['):
			n++
		}
	}
	return n
}

var magicGzip = []byte{0x1f, 0x8b, 8}

// newest are the newest of some versions of a release, newest first: as many as may be
// held before they are unpacked.
func newest(all []corev1.Secret) (kept, passed []corev1.Secret) {
	number := func(s corev1.Secret) int {
		n, err := strconv.Atoi(s.Labels["version"])
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b corev1.Secret) int { return cmp.Compare(number(b), number(a)) })
	held := 0
	for i, s := range all {
		if held += len(s.Data["release"]); held > maxHistoryPacked {
			return all[:i], all[i:]
		}
	}
	return all, nil
}
