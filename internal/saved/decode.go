package saved

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
)

// Decode reads what Encode wrote, into a pointer to a value of the same type; texts
// share memory with what it read. Anything else is an error, or nonsense: Load
// opens nothing else.
func Decode(data []byte, into any) error {
	d := &decoder{in: string(data)}
	d.value(reflect.ValueOf(into).Elem())
	if d.err == nil && d.at != len(d.in) {
		d.fail("%d bytes are left", len(d.in)-d.at)
	}
	return d.err
}

type decoder struct {
	in     string
	at     int
	texts  []string
	slices []reflect.Value
	depth  int
	err    error
}

var errShort = errors.New("read what was written down: it ends too early")

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("read what was written down: "+format, args...)
	}
}

// enter goes one deeper, and tells whether there is any sense in it.
func (d *decoder) enter() bool {
	if d.depth++; d.depth > maxDepth {
		d.fail("values stand more than %d deep in each other", maxDepth)
	}
	return d.err == nil
}

func (d *decoder) leave() { d.depth-- }

func (d *decoder) uint() uint64 {
	var n uint64
	for shift := uint(0); shift < 64 && d.at < len(d.in); shift += 7 {
		b := d.in[d.at]
		d.at++
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	if d.err == nil {
		d.err = errShort
	}
	return 0
}

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1)
}

// length reads how many there are of what takes at least a byte each.
func (d *decoder) length() (n int, isNil bool) {
	l := d.uint()
	if l == 0 || d.err != nil {
		return 0, true
	}
	return d.bounded(l - 1)
}

// bounded holds a number of things to what is left to read them from.
func (d *decoder) bounded(n uint64) (_ int, tooMany bool) {
	if n > uint64(len(d.in)-d.at) {
		d.fail("%d of something in %d bytes", n, len(d.in)-d.at)
		return 0, true
	}
	return int(n), false
}

func (d *decoder) take(n uint64) string {
	if d.err == nil && n > uint64(len(d.in)-d.at) {
		d.err = errShort
	}
	if d.err != nil {
		return ""
	}
	s := d.in[d.at : d.at+int(n)]
	d.at += int(n)
	return s
}

func (d *decoder) text() string {
	n := d.uint()
	if n == 0 {
		s := d.take(d.uint())
		d.texts = append(d.texts, s)
		return s
	}
	if n > uint64(len(d.texts)) {
		d.fail("text %d of %d", n, len(d.texts))
		return ""
	}
	return d.texts[n-1]
}

func (d *decoder) value(v reflect.Value) {
	defer d.leave()
	if !d.enter() {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(d.uint() == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(d.int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(d.uint())
	case reflect.Float64:
		v.SetFloat(math.Float64frombits(d.uint()))
	case reflect.String:
		v.SetString(d.text())
	case reflect.Array:
		d.array(v)
	case reflect.Slice:
		d.slice(v)
	case reflect.Map:
		d.mapping(v)
	case reflect.Pointer:
		if d.uint() == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			d.value(v.Elem())
		}
	case reflect.Struct:
		d.structure(v)
	case reflect.Interface:
		if x := d.json(); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	default:
		d.fail("a %s", v.Type())
	}
}

func (d *decoder) array(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		copy(v.Slice(0, v.Len()).Bytes(), d.take(uint64(v.Len())))
		return
	}
	for i := range v.Len() {
		d.value(v.Index(i))
	}
}

func (d *decoder) slice(v reflect.Value) {
	l := d.uint()
	if l == 0 || d.err != nil {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes([]byte(d.take(l - 1)))
		return
	}
	if l > worthSharing && d.shared(v) {
		return
	}
	n, tooMany := d.bounded(l - 1)
	if tooMany {
		return
	}
	out := reflect.MakeSlice(v.Type(), n, n)
	if n >= worthSharing {
		d.slices = append(d.slices, out)
	}
	for i := range n {
		if d.err != nil {
			return
		}
		d.value(out.Index(i))
	}
	v.Set(out)
}

// shared reads whether a slice is one that was read already, and takes that.
func (d *decoder) shared(v reflect.Value) bool {
	k := d.uint()
	switch {
	case k == 0:
		return false
	case k > uint64(len(d.slices)), d.slices[k-1].Type() != v.Type():
		d.fail("slice %d of %d", k, len(d.slices))
	default:
		v.Set(d.slices[k-1])
	}
	return true
}

func (d *decoder) mapping(v reflect.Value) {
	n, isNil := d.length()
	if isNil {
		return
	}
	t := v.Type()
	out := reflect.MakeMapWithSize(t, n)
	for range n {
		key, x := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		d.value(key)
		d.value(x)
		if d.err != nil {
			return
		}
		out.SetMapIndex(key, x)
	}
	v.Set(out)
}

func (d *decoder) structure(v reflect.Value) {
	if v.Type() == timeType {
		if d.uint() == 1 {
			v.Set(reflect.ValueOf(time.Unix(0, d.int()).UTC()))
		}
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); !f.IsExported() {
			d.fail("%s.%s is not exported", v.Type(), f.Name)
			return
		}
		d.value(v.Field(i))
	}
}

func (d *decoder) json() any {
	defer d.leave()
	if !d.enter() {
		return nil
	}
	switch kind := d.take(1); kind {
	case "", string(rune(jsonNull)):
		return nil
	case string(rune(jsonFalse)):
		return false
	case string(rune(jsonTrue)):
		return true
	case string(rune(jsonText)):
		return d.text()
	case string(rune(jsonInt)):
		return d.int()
	case string(rune(jsonFloat)):
		return math.Float64frombits(d.uint())
	case string(rune(jsonList)):
		return d.list()
	case string(rune(jsonMap)):
		return d.object()
	default:
		d.fail("a JSON value of kind %d", kind[0])
		return nil
	}
}

func (d *decoder) list() []any {
	n, isNil := d.length()
	if isNil {
		return nil
	}
	out := make([]any, n)
	for i := range n {
		if d.err != nil {
			return nil
		}
		out[i] = d.json()
	}
	return out
}

func (d *decoder) object() map[string]any {
	n, isNil := d.length()
	if isNil {
		return nil
	}
	out := make(map[string]any, n)
	for range n {
		if d.err != nil {
			return nil
		}
		key := d.text()
		out[key] = d.json()
	}
	return out
}
