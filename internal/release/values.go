package release

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	goyaml "go.yaml.in/yaml/v2"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/strvals"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/hash"
)

// maxValues bounds the bytes of one referenced document; the API server keeps
// no larger object.
const maxValues = 3 << 20

// Lookup returns the data of a ConfigMap or Secret of the release's namespace,
// and false when there is none.
type Lookup func(kind, name string) (data map[string][]byte, found bool)

// ValuesError says which entry of spec.valuesFrom cannot be used. It never
// holds a byte of the referenced data.
type ValuesError struct {
	Kind, Name, Key string
	// Missing tells that the object or its key does not exist.
	Missing bool
	Err     error
	// Namespace is where it was looked for, if the caller says so.
	Namespace string
}

// Error returns a text like that of Flux.
func (e *ValuesError) Error() string {
	name := e.Name
	if e.Namespace != "" {
		name = e.Namespace + "/" + name
	}
	return fmt.Sprintf("could not resolve %s chart values reference '%s' with key '%s': %v", e.Kind, name, e.Key, e.Err)
}

// Unwrap returns the cause.
func (e *ValuesError) Unwrap() error { return e.Err }

// Compose returns the values that a chart gets: the referenced ones in order,
// then inline, which is spec.values as the spec holds them. Its errors are of
// type *ValuesError.
//
// Who wins is what fluxcd/pkg/chartutil v1.27.2 does, proven by goldens
// (testdata/values.json): inline values win over documents merged at the root.
// A value with a targetPath is set after inline values were laid over what was
// gathered so far, and inline values are laid over the result once more; so it
// wins where the maps on its path came from inline values alone, and loses
// where an earlier reference brought a map of the same top-level key, or the
// path has one element. See docs/behaviour.md.
func Compose(inline map[string]any, refs []meta.ValuesReference, lookup Lookup) (map[string]any, error) {
	inline = CopyValues(inline)
	result := map[string]any{}
	for _, ref := range refs {
		data, err := read(ref, lookup)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		if result, err = lay(result, inline, ref, *data); err != nil {
			return nil, valuesError(ref, false, err)
		}
	}
	return merge(result, inline), nil
}

func valuesError(ref meta.ValuesReference, missing bool, err error) error {
	return &ValuesError{Kind: ref.Kind, Name: ref.Name, Key: ref.GetValuesKey(), Missing: missing, Err: err}
}

// read returns the bytes that ref names; nil if they are missing and optional.
func read(ref meta.ValuesReference, lookup Lookup) (*[]byte, error) {
	if ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
		return nil, valuesError(ref, false, errors.New("unsupported values reference kind; use ConfigMap or Secret"))
	}
	data, found := lookup(ref.Kind, ref.Name)
	if !found {
		return missing(ref, "resource not found")
	}
	value, found := data[ref.GetValuesKey()]
	if !found {
		return missing(ref, "key not found")
	}
	if len(value) > maxValues {
		return nil, valuesError(ref, false, fmt.Errorf("has %d bytes; at most %d are read", len(value), maxValues))
	}
	return &value, nil
}

func missing(ref meta.ValuesReference, what string) (*[]byte, error) {
	if ref.Optional {
		return nil, nil
	}
	return nil, valuesError(ref, true, errors.New(what))
}

// lay puts the data of one reference into result.
func lay(result, inline map[string]any, ref meta.ValuesReference, data []byte) (map[string]any, error) {
	if ref.TargetPath == "" {
		values, err := common.ReadValues(data)
		if err != nil {
			return nil, fmt.Errorf("read YAML%s", place(err))
		}
		return merge(result, values), nil
	}
	// The maps of inline are shared with the result on purpose: see Compose.
	result = merge(result, inline)
	if err := set(result, ref, string(data)); err != nil {
		return nil, fmt.Errorf("set value at %s: it is not what --set takes; use literal: true, or quote it", ref.TargetPath)
	}
	return result, nil
}

// set puts value at the path of ref, with the syntax of helm's --set; quoted
// values are strings.
func set(result map[string]any, ref meta.ValuesReference, value string) error {
	if ref.Literal {
		return strvals.ParseIntoString(ref.TargetPath+"="+literal.Replace(value), result)
	}
	for _, quote := range []string{"'", `"`} {
		if strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return strvals.ParseIntoString(ref.TargetPath+"="+strings.Trim(value, `'"`), result)
		}
	}
	return strvals.ParseInto(ref.TargetPath+"="+value, result)
}

// literal takes from a value what --set would read as syntax.
var literal = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)

var lineNumber = regexp.MustCompile(`line \d+`)

// place returns where in a document an error is, without any of its text.
func place(err error) string {
	if at := lineNumber.FindString(err.Error()); at != "" {
		return ": not valid at " + at
	}
	return ": not a map of values"
}

// merge returns a with b laid over it. Maps that both have are merged into new
// ones; everything else is shared.
func merge(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range b {
		over, isMap := v.(map[string]any)
		under, wasMap := out[k].(map[string]any)
		if isMap && wasMap {
			v = merge(under, over)
		}
		out[k] = v
	}
	return out
}

// CopyValues returns values that share nothing with v; nil of nil.
func CopyValues(v map[string]any) map[string]any {
	if v == nil {
		return nil
	}
	out := make(map[string]any, len(v))
	for k, item := range v {
		out[k] = copyValue(item)
	}
	return out
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return CopyValues(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = copyValue(item)
		}
		return out
	default:
		return v
	}
}

// ConfigDigest returns the digest of values as Flux writes it into
// status.history[].configDigest: SHA-256 of their YAML with sorted keys, of
// nothing when there are no values (fluxcd/pkg/chartutil v1.27.2 digest.go).
func ConfigDigest(values map[string]any) string {
	if len(values) == 0 {
		return hash.Of(nil).String()
	}
	sorted := yaml.JSONObjectToYAMLObject(values)
	sortMap(sorted)
	var buf bytes.Buffer
	if err := goyaml.NewEncoder(&buf).Encode(sorted); err != nil {
		return ""
	}
	return hash.Of(buf.Bytes()).String()
}

func sortMap(m goyaml.MapSlice) {
	slices.SortFunc(m, func(a, b goyaml.MapItem) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
	for _, item := range m {
		sortValue(item.Value)
	}
}

func sortValue(v any) {
	switch v := v.(type) {
	case goyaml.MapSlice:
		sortMap(v)
	case []any:
		for _, item := range v {
			sortValue(item)
		}
	}
}

// minSensitive is the shortest text, in bytes, that is hidden where it shows up;
// shorter ones would be found by chance.
const minSensitive = 6

// Sensitive returns the texts that refs take from Secrets, for masking what is
// told of a release: each whole value that is set at a path, and each string and
// number within a document, numbers in the ways in which they are printed.
func Sensitive(refs []meta.ValuesReference, lookup Lookup) []string {
	found := map[string]bool{}
	for _, ref := range refs {
		data, err := read(ref, lookup)
		if ref.Kind != "Secret" || err != nil || data == nil {
			continue
		}
		texts(strings.Trim(string(*data), "'\"\n"), found)
		if values, err := common.ReadValues(*data); ref.TargetPath == "" && err == nil {
			texts(map[string]any(values), found)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func texts(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, item := range v {
			texts(item, into)
		}
	case []any:
		for _, item := range v {
			texts(item, into)
		}
	case float64: // as YAML is read here; an API server tells of an int64
		for _, form := range []string{strconv.FormatFloat(v, 'f', -1, 64), fmt.Sprint(v)} {
			texts(form, into)
		}
	case string:
		if len(v) >= minSensitive {
			into[v] = true
		}
	}
}
