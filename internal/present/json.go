package present

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxDocument bounds a document that is read, in bytes.
const maxDocument = 256 << 20

// JSON returns the document as JSON, indented, with a newline at the end.
func (d Document) JSON() ([]byte, error) { return encode(d) }

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return out.Bytes(), nil
}

// Decode reads a document. One of another version is an error; fields that this
// version does not know are left out, since later ones may have added them.
func Decode(data []byte) (Document, error) {
	var d Document
	if len(data) > maxDocument {
		return d, fmt.Errorf("read plan: it has %d bytes, more than %d", len(data), maxDocument)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, fmt.Errorf("read plan: %w; want the output of leat plan -o json", err)
	}
	if d.Version != Version {
		return d, fmt.Errorf("read plan: its apiVersion is %q, want %q; make it anew with this version of leat", d.Version, Version)
	}
	return d, nil
}
