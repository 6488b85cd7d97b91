package chart

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// MaxIndex is the default bound of an index, in bytes (--helm-index-max-size).
const MaxIndex = 50 << 20

// maxWhole bounds an index that is written in so unusual a way that it can only
// be read as one piece, in bytes; that takes twenty times as much memory.
const maxWhole = 16 << 20

// IndexOptions say how to read an index.
type IndexOptions struct {
	Max int64 // bytes; 0 for MaxIndex
}

// ReadIndex reads an index in YAML or JSON. One version is held at a time, so
// that memory follows what an Index keeps and not the size of the text. Entries
// that cannot be a chart's version are left out, as Helm does.
func ReadIndex(data []byte, o IndexOptions) (*Index, error) {
	x, _, err := o.read(data, newIndexReader)
	return x, err
}

// IndexJSON reads an index and returns it also as JSON, with all its fields.
func IndexJSON(data []byte, o IndexOptions) (*Index, []byte, error) {
	return o.read(data, func() *indexReader {
		r := newIndexReader()
		r.out = &bytes.Buffer{}
		r.out.Grow(len(data) + len(data)/8 + 64) // seldom more: indentation goes, quotes come
		r.write(`{"entries":{`)
		return r
	})
}

func (o IndexOptions) read(data []byte, begin func() *indexReader) (*Index, []byte, error) {
	if o.Max == 0 {
		o.Max = MaxIndex
	}
	data = bytes.TrimPrefix(data, utf8BOM)
	switch trimmed := bytes.TrimSpace(data); {
	case int64(len(data)) > o.Max:
		return nil, nil, fmt.Errorf("read index: %d bytes are more than the limit of %d; raise --helm-index-max-size", len(data), o.Max)
	case len(trimmed) == 0:
		return nil, nil, errors.New("read index: it is empty")
	case json.Valid(trimmed):
		return readIndex(trimmed, begin, readJSON)
	default:
		return readIndex(data, begin, readYAML)
	}
}

// readIndex reads an index one way and, where it turns out to be written in an
// unusual manner, as a whole.
func readIndex(data []byte, begin func() *indexReader, read func(*indexReader, []byte) error) (*Index, []byte, error) {
	r := begin()
	err := read(r, data)
	if err != nil && !errors.Is(err, errTwice) && len(data) <= maxWhole {
		r = begin()
		err = readWhole(r, data)
	}
	var x *Index
	if err == nil {
		x, err = r.finish()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read index: %w", err)
	}
	if r.out == nil {
		return x, nil, nil
	}
	return x, r.out.Bytes(), nil
}

var errTwice = errors.New("it stands there twice")

func readWhole(r *indexReader, data []byte) error {
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		return err
	}
	return readJSON(r, text)
}

// indexReader collects versions, and writes them as JSON where that is wanted.
type indexReader struct {
	entries map[string][]Version
	other   map[string]json.RawMessage // top-level keys beside entries
	out     *bytes.Buffer              // nil where no JSON is wanted
	charts  int                        // written so far
	current string                     // the chart being read
	listed  int                        // of its versions, written so far
}

func newIndexReader() *indexReader {
	return &indexReader{entries: map[string][]Version{}, other: map[string]json.RawMessage{}}
}

func (r *indexReader) write(parts ...string) {
	if r.out == nil {
		return
	}
	for _, p := range parts {
		r.out.WriteString(p)
	}
}

// chart begins the versions of a chart.
func (r *indexReader) chart(name string) error {
	if _, twice := r.entries[name]; twice {
		return fmt.Errorf("the chart %q: %w", name, errTwice)
	}
	r.entries[name], r.current, r.listed = nil, strings.Clone(name), 0
	if r.charts++; r.charts > 1 {
		r.write(",")
	}
	text, err := json.Marshal(name)
	r.write(string(text), ":[")
	return err
}

// endChart ends the versions of the chart.
func (r *indexReader) endChart() { r.write("]") }

// version takes one version of the present chart.
func (r *indexReader) version(raw json.RawMessage) error {
	var item indexItem
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(raw, &item); err != nil {
		return fmt.Errorf("chart %q: %w", r.current, err)
	}
	v := item.version()
	if !v.usable() {
		return nil
	}
	if v.Name == r.current {
		v.Name = r.current // one string for all
	}
	r.entries[r.current] = append(r.entries[r.current], v)
	if r.listed++; r.listed > 1 {
		r.write(",")
	}
	if r.out != nil {
		return json.Compact(r.out, raw)
	}
	return nil
}

// finish checks the rest and makes the index.
func (r *indexReader) finish() (*Index, error) {
	var api string
	if err := json.Unmarshal(r.other["apiVersion"], &api); err != nil || api == "" {
		return nil, errors.New("no API version specified: this is no index of charts")
	}
	r.write("}")
	for _, key := range slices.Sorted(maps.Keys(r.other)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		r.write(",", string(name), ":", string(r.other[key]))
	}
	r.write("}")
	x := &Index{entries: r.entries}
	for name, list := range x.entries {
		x.entries[name] = slices.Clip(list)
	}
	x.sort()
	return x, nil
}

// indexItem is an entry as it is written.
type indexItem struct {
	Name       looseText   `json:"name"`
	Version    looseText   `json:"version"`
	AppVersion looseText   `json:"appVersion"`
	URLs       []looseText `json:"urls"`
	Digest     looseText   `json:"digest"`
	Created    looseText   `json:"created"`
	Deprecated looseText   `json:"deprecated"`
}

func (i indexItem) version() Version {
	v := Version{
		Name: string(i.Name), Version: string(i.Version), AppVersion: string(i.AppVersion),
		Digest: digest(string(i.Digest)), Deprecated: i.Deprecated == "true",
	}
	for _, u := range i.URLs {
		v.URLs = append(v.URLs, string(u))
	}
	if at, err := time.Parse(time.RFC3339Nano, string(i.Created)); err == nil {
		v.Created = at
	}
	return v
}

// digest returns the SHA-256 of an archive where text is one.
func digest(text string) string {
	text = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(text), "sha256:"))
	if b, err := hex.DecodeString(text); err != nil || len(b) != 32 {
		return ""
	}
	return text
}

// looseText is a string that was perhaps written as a number or a bool.
type looseText string

// UnmarshalJSON takes any scalar; lists and maps are taken as nothing.
func (t *looseText) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) == 0 || b[0] == '[' || b[0] == '{' || string(b) == "null":
		*t = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = looseText(s)
	default:
		*t = looseText(b)
	}
	return nil
}

// readJSON walks through an index version by version.
func readJSON(r *indexReader, data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	err := object(dec, func(key string) error {
		if key != "entries" {
			var raw json.RawMessage
			err := dec.Decode(&raw)
			r.other[key] = raw
			return err
		}
		return object(dec, func(name string) error {
			if err := r.chart(name); err != nil {
				return err
			}
			defer r.endChart()
			return list(dec, r.version)
		})
	})
	if err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the index")
	}
	return nil
}

// object calls visit for every key of an object, whose value visit must read;
// null is an object without keys.
func object(dec *json.Decoder, visit func(key string) error) error {
	t, err := dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("%.40v stands where a map is expected", t)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		if err := visit(key.(string)); err != nil { // the decoder lets no other key through
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func list(dec *json.Decoder, visit func(json.RawMessage) error) error {
	t, err := dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return fmt.Errorf("%.40v stands where a list is expected", t)
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		if err := visit(raw); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
