package plan

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/secret"
)

const (
	// minEcho is the shortest secret value, in bytes, that is looked for in
	// texts beside a Secret's data. A shorter one would be found by chance.
	minEcho = 6
	// hidden stands for a secret where no key is set.
	hidden = "«secret»"
)

// Mask replaces secrets by fingerprints: equal secrets have equal fingerprints
// under one key, and without the key a fingerprint cannot be guessed back. With
// no key (the zero value) every secret reads «secret».
//
// Secret are the values of data and stringData of a core Secret, its
// last-applied annotation, and any other text of it that repeats such a value.
//
// A mask that knows further secrets (Knowing) hides them in every object.
type Mask struct {
	key   secret.Key
	known []string // longest first
}

// NewMask returns a mask whose fingerprints are made with key, which is to be
// kept per repository or per cluster.
func NewMask(key secret.Key) Mask { return Mask{key: bytes.Clone(key)} }

// Knowing returns a mask that also hides the given secrets wherever they are
// repeated: in objects that are no Secrets, and in texts. One of less than six
// bytes is not looked for; it would be found by chance.
func (m Mask) Knowing(clear ...string) Mask {
	found := echo{}
	for _, text := range m.known {
		found[text] = true
	}
	for _, value := range clear {
		found.forms(value)
	}
	m.known = found.sorted()
	return m
}

// String tells nothing of the key.
func (m Mask) String() string { return "mask" }

// GoString tells nothing of the key.
func (m Mask) GoString() string { return "plan.Mask{}" }

// Fingerprint stands for a secret value: secret:3f2a91bc.
func (m Mask) Fingerprint(clear []byte) string {
	if len(m.key) == 0 {
		return hidden
	}
	return m.key.Fingerprint(secret.OfBytes(clear))
}

// Object returns obj as it may be shown: a masked copy of a Secret, any other
// object (and nil) as it is.
func (m Mask) Object(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if !isSecret(obj) {
		return m.other(obj)
	}
	secrets := append(secretsOf(obj), m.known...)
	masked := obj.DeepCopy()
	for field, value := range masked.Object {
		switch field {
		case "apiVersion", "kind", "type", "immutable":
		case "data":
			masked.Object[field] = m.values(value, fromBase64)
		case "stringData":
			masked.Object[field] = m.values(value, fromText)
		case "metadata":
			m.metadata(value, secrets)
		default:
			masked.Object[field] = m.echoes(value, secrets)
		}
	}
	return masked
}

// other is an object that is no Secret, without the secrets that are known.
func (m Mask) other(obj *unstructured.Unstructured) *unstructured.Unstructured {
	if obj == nil || len(m.known) == 0 {
		return obj
	}
	return &unstructured.Unstructured{Object: m.Tree(obj.Object).(map[string]any)}
}

// Tree returns a copy of the values of an object in which every text, number
// and key that repeats a secret that is known is replaced.
func (m Mask) Tree(v any) any {
	switch v := v.(type) {
	case string:
		return m.echoes(v, m.known)
	case int64, float64:
		if text := string(jsonText(v)); slices.Contains(m.known, text) {
			return m.Fingerprint([]byte(text))
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[m.without(key, m.known)] = m.Tree(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = m.Tree(value)
		}
		return out
	}
	return v
}

// Text returns a text about objs, such as an error of the API, without the
// secrets of those that are Secrets.
func (m Mask) Text(text string, objs ...*unstructured.Unstructured) string {
	for _, obj := range objs {
		text = m.without(text, secretsOf(obj))
	}
	return m.without(text, m.known)
}

// Values returns a text without the values of secrets, such as of variables that
// were substituted in objects which are no Secrets.
func (m Mask) Values(text string, clear ...string) string {
	found := echo{}
	for _, value := range clear {
		found.forms(value)
	}
	return m.without(text, found.sorted())
}

func (m Mask) without(text string, secrets []string) string {
	for _, clear := range secrets {
		if strings.Contains(text, clear) {
			text = strings.ReplaceAll(text, clear, m.Fingerprint([]byte(clear)))
		}
	}
	return text
}

// values replaces every value in v, whatever its shape: a Secret that the API
// would refuse is shown too.
func (m Mask) values(v any, decode func(string) []byte) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return m.Fingerprint(decode(v))
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok {
				v[key] = m.Fingerprint(decode(text))
			} else if value != nil {
				v[key] = m.Fingerprint(jsonText(value)) // the API refuses it; its keys may be secret
			}
		}
		return v
	default:
		return m.Fingerprint(jsonText(v))
	}
}

func (m Mask) metadata(v any, secrets []string) {
	meta, ok := v.(map[string]any)
	if !ok {
		return
	}
	for field, value := range meta {
		switch field {
		case "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields":
		default:
			meta[field] = m.echoes(value, secrets)
		}
	}
	if annotations, ok := meta["annotations"].(map[string]any); ok {
		if applied, ok := annotations[staleAnnotations[0]].(string); ok {
			annotations[staleAnnotations[0]] = m.Fingerprint([]byte(applied))
		}
	}
}

// echoes replaces every text in v that contains one of the secrets.
func (m Mask) echoes(v any, secrets []string) any {
	switch v := v.(type) {
	case string:
		if slices.ContainsFunc(secrets, func(clear string) bool { return strings.Contains(v, clear) }) {
			return m.Fingerprint([]byte(v))
		}
	case map[string]any:
		for key, value := range v {
			v[key] = m.echoes(value, secrets)
		}
	case []any:
		for i, value := range v {
			v[i] = m.echoes(value, secrets)
		}
	}
	return v
}

func isSecret(obj *unstructured.Unstructured) bool {
	if obj == nil {
		return false
	}
	gvk := obj.GroupVersionKind()
	return gvk.Group == "" && strings.EqualFold(gvk.Kind, "Secret")
}

// secretsOf returns the texts that must not be seen of a Secret, longest
// first: its values in clear, in base64, quoted, and line by line.
func secretsOf(obj *unstructured.Unstructured) []string {
	if !isSecret(obj) {
		return nil
	}
	found := echo{}
	eachValue(obj.Object["data"], func(text string) {
		found.add(text)
		found.forms(string(fromBase64(text)))
	})
	eachValue(obj.Object["stringData"], found.forms)
	return found.sorted()
}

// echo holds the texts by which a secret can be known.
type echo map[string]bool

func (e echo) add(text string) {
	if len(text) >= minEcho {
		e[text] = true
	}
}

// forms adds a value in clear, in base64, quoted, and line by line.
func (e echo) forms(clear string) {
	e.add(clear)
	e.add(base64.StdEncoding.EncodeToString([]byte(clear)))
	if quoted := strconv.Quote(clear); len(quoted) > 2 {
		e.add(quoted[1 : len(quoted)-1])
	}
	for line := range strings.Lines(clear) {
		e.add(strings.TrimSpace(line))
	}
}

// sorted returns the texts, longest first.
func (e echo) sorted() []string {
	return slices.SortedFunc(maps.Keys(e), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}

// eachValue finds the texts in the values of data; its keys are no secrets, but
// those of a value that is a map, which the API refuses, may be.
func eachValue(data any, do func(string)) {
	values, ok := data.(map[string]any)
	if !ok {
		eachText(data, do)
		return
	}
	for _, value := range values {
		eachText(value, do)
	}
}

func eachText(v any, do func(string)) {
	switch v := v.(type) {
	case nil, bool:
	case string:
		do(v)
	case map[string]any:
		for key, value := range v {
			do(key)
			eachText(value, do)
		}
	case []any:
		for _, value := range v {
			eachText(value, do)
		}
	default:
		do(string(jsonText(v)))
	}
}

func fromText(s string) []byte { return []byte(s) }

// fromBase64 decodes s; what is not base64 stands for itself.
func fromBase64(s string) []byte {
	clear, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return []byte(s)
	}
	return clear
}

// jsonText encodes a value of an object: maps sorted, no HTML escapes.
func jsonText(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(strconv.Quote("not JSON: " + err.Error()))
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}
