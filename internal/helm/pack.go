package helm

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"sync"
	"weak"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

const (
	// maxRecord bounds the bytes of a packed release: a Secret holds no more
	// (k8s.io/api v0.36 core/v1 MaxSecretSize).
	maxRecord = 1 << 20
	// maxChartsPacked bounds how many bytes of packed charts are kept.
	maxChartsPacked = 8 << 20
)

// packer writes releases as Helm does, JSON within gzip within base64 (helm
// v4.2.4 pkg/storage/driver/util.go), and packs each chart once: most of a
// release is its chart, which all its versions, and often many releases, share.
// The gzip stream is put together from parts that were deflated apart. It is safe
// for concurrent use.
type packer struct {
	writers sync.Pool // *flate.Writer

	mu     sync.Mutex
	charts map[weak.Pointer[chart.Chart]]deflated
	size   int
}

// deflated is a text and a run of whole deflate blocks that yields it.
type deflated struct{ text, blocks []byte }

// head and tail are the fields of a release before and after its chart, in the
// order in which Helm writes them.
type (
	head struct {
		Name string      `json:"name,omitempty"`
		Info *relv1.Info `json:"info,omitempty"`
	}
	tail struct {
		Config      map[string]any `json:"config,omitempty"`
		Manifest    string         `json:"manifest,omitempty"`
		Hooks       []*relv1.Hook  `json:"hooks,omitempty"`
		Version     int            `json:"version,omitempty"`
		Namespace   string         `json:"namespace,omitempty"`
		ApplyMethod string         `json:"apply_method,omitempty"`
	}
)

// release returns the record of a release.
func (p *packer) release(rel *relv1.Release) ([]byte, error) {
	before, err := json.Marshal(head{rel.Name, rel.Info})
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(tail{rel.Config, rel.Manifest, rel.Hooks, rel.Version, rel.Namespace, rel.ApplyMethod})
	if err != nil {
		return nil, err
	}
	if rel.Chart == nil || len(before) == 2 || len(after) == 2 {
		return nil, fmt.Errorf("release %q has no chart, name or version", rel.Name)
	}
	middle, err := p.chart(rel.Chart)
	if err != nil {
		return nil, err
	}
	if n := len(before) + len(middle.text) + len(after); n > maxUnpacked { // nobody could read it back
		return nil, fmt.Errorf("%w: unpacked it takes %d bytes", errTooLarge, n)
	}
	before = append(before[:len(before)-1], `,"chart":`...)
	after[0] = ','
	out := inBase64(p.gzip(before, middle, after))
	if len(out) > maxRecord { // as small as can be, then
		out = inBase64(smallest(before, middle.text, after))
	}
	if len(out) > maxRecord {
		return nil, fmt.Errorf("%w: it takes %d bytes", errTooLarge, len(out))
	}
	return out, nil
}

// chart returns the deflated JSON of a chart, which must not change afterwards.
func (p *packer) chart(c *chart.Chart) (deflated, error) {
	key := weak.Make(c)
	p.mu.Lock()
	d, known := p.charts[key]
	p.mu.Unlock()
	if known {
		return d, nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return d, err
	}
	var out bytes.Buffer
	p.deflate(&out, text)
	d = deflated{text, out.Bytes()}
	p.keep(key, d)
	return d, nil
}

// keep remembers a chart, and forgets all others where they are too many.
func (p *packer) keep(key weak.Pointer[chart.Chart], d deflated) {
	n := len(d.text) + len(d.blocks)
	if n > maxChartsPacked {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size+n > maxChartsPacked || p.charts == nil {
		p.charts, p.size = map[weak.Pointer[chart.Chart]]deflated{}, 0
	}
	p.charts[key] = d
	p.size += n
}

// gzip returns a stream (RFC 1952) of which the middle was deflated before.
func (p *packer) gzip(before []byte, middle deflated, after []byte) []byte {
	var out bytes.Buffer
	out.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255})
	p.deflate(&out, before)
	out.Write(middle.blocks)
	p.deflate(&out, after)
	out.Write([]byte{1, 0, 0, 0xff, 0xff}) // an empty last block
	sum := crc32.ChecksumIEEE(before)
	sum = crc32.Update(sum, crc32.IEEETable, middle.text)
	sum = crc32.Update(sum, crc32.IEEETable, after)
	var end [8]byte
	binary.LittleEndian.PutUint32(end[:4], sum)
	binary.LittleEndian.PutUint32(end[4:], uint32(len(before)+len(middle.text)+len(after)))
	out.Write(end[:])
	return out.Bytes()
}

// deflate appends text as blocks that end with a whole byte and refer to nothing
// before them.
func (p *packer) deflate(out *bytes.Buffer, text []byte) {
	w, ok := p.writers.Get().(*flate.Writer)
	if !ok {
		w, _ = flate.NewWriter(out, flate.DefaultCompression) // fails for unknown levels only
	}
	w.Reset(out)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Flush()
	p.writers.Put(w)
}

// smallest is what Helm's own storage would write.
func smallest(parts ...[]byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // fails for unknown levels only
	for _, part := range parts {
		_, _ = w.Write(part)
	}
	_ = w.Close()
	return out.Bytes()
}

func inBase64(data []byte) []byte {
	return base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))), data)
}
