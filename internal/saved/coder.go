package saved

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"time"
)

// Encode writes a value down: structs whose fields are all exported, maps, slices,
// arrays, pointers, texts, numbers, times, and what JSON decodes to. Texts, and
// slices that several share, are written once. What it cannot write is an error, so
// that nothing is left out unseen.
func Encode(v any) ([]byte, error) {
	e := &encoder{texts: map[string]uint64{}, slices: map[shared]uint64{}}
	e.value(reflect.ValueOf(v))
	return e.out, e.err
}

// shared names a slice in memory.
type shared struct {
	data uintptr
	n    int
	of   reflect.Type
}

// worthSharing is how long a slice is that is looked for among those written.
const worthSharing = 4

// maxDepth bounds how deep values stand in each other.
const maxDepth = 500

var timeType = reflect.TypeFor[time.Time]()

// The kinds of JSON values.
const (
	jsonNull = iota
	jsonFalse
	jsonTrue
	jsonText
	jsonInt
	jsonFloat
	jsonList
	jsonMap
)

type encoder struct {
	out    []byte
	texts  map[string]uint64
	slices map[shared]uint64
	depth  int
	err    error
}

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("write down: "+format, args...)
	}
}

// enter goes one deeper, and tells whether there is any sense in it.
func (e *encoder) enter() bool {
	if e.depth++; e.depth > maxDepth {
		e.fail("values stand more than %d deep in each other", maxDepth)
	}
	return e.err == nil
}

func (e *encoder) leave() { e.depth-- }

func (e *encoder) uint(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *encoder) int(n int64) { e.out = binary.AppendVarint(e.out, n) }

// length writes how many there are, and one more; 0 is for nil. It tells whether
// there are any to write.
func (e *encoder) length(n int, isNil bool) bool {
	if isNil {
		e.uint(0)
		return false
	}
	e.uint(uint64(n) + 1)
	return n > 0
}

// text writes a text, or the number of the one that was written.
func (e *encoder) text(s string) {
	if n, known := e.texts[s]; known {
		e.uint(n)
		return
	}
	e.texts[s] = uint64(len(e.texts)) + 1
	e.uint(0)
	e.uint(uint64(len(s)))
	e.out = append(e.out, s...)
}

func (e *encoder) value(v reflect.Value) {
	defer e.leave()
	if !e.enter() {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		e.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.uint(v.Uint())
	case reflect.Float64:
		e.uint(math.Float64bits(v.Float()))
	case reflect.String:
		e.text(v.String())
	case reflect.Array:
		e.array(v)
	case reflect.Slice:
		e.slice(v)
	case reflect.Map:
		e.mapping(v)
	case reflect.Pointer:
		if e.bool(!v.IsNil()); !v.IsNil() {
			e.value(v.Elem())
		}
	case reflect.Struct:
		e.structure(v)
	case reflect.Interface:
		if v.NumMethod() > 0 {
			e.fail("a %s", v.Type())
			return
		}
		e.json(v.Interface())
	default:
		e.fail("a %s", v.Type())
	}
}

func (e *encoder) bool(b bool) {
	n := uint64(0)
	if b {
		n = 1
	}
	e.uint(n)
}

func (e *encoder) array(v reflect.Value) {
	for i := range v.Len() {
		if v.Type().Elem().Kind() == reflect.Uint8 {
			e.out = append(e.out, byte(v.Index(i).Uint()))
		} else {
			e.value(v.Index(i))
		}
	}
}

// slice writes its length, and where others may share it the number of the one
// that was written, or 0; then its elements.
func (e *encoder) slice(v reflect.Value) {
	if !e.length(v.Len(), v.IsNil()) {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		e.out = append(e.out, v.Bytes()...)
		return
	}
	if v.Len() >= worthSharing {
		at := shared{v.Pointer(), v.Len(), v.Type()}
		if n, known := e.slices[at]; known {
			e.uint(n)
			return
		}
		e.uint(0)
		e.slices[at] = uint64(len(e.slices)) + 1
	}
	for i := range v.Len() {
		e.value(v.Index(i))
	}
}

func (e *encoder) mapping(v reflect.Value) {
	if !e.length(v.Len(), v.IsNil()) {
		return
	}
	for it := v.MapRange(); it.Next(); {
		e.value(it.Key())
		e.value(it.Value())
	}
}

func (e *encoder) structure(v reflect.Value) {
	if v.Type() == timeType {
		t := v.Interface().(time.Time)
		if e.bool(!t.IsZero()); !t.IsZero() {
			e.int(t.UnixNano())
		}
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); !f.IsExported() {
			e.fail("%s.%s is not exported", v.Type(), f.Name)
			return
		}
		e.value(v.Field(i))
	}
}

// json writes what JSON decodes to.
func (e *encoder) json(v any) {
	defer e.leave()
	if !e.enter() {
		return
	}
	switch v := v.(type) {
	case nil:
		e.out = append(e.out, jsonNull)
	case bool:
		kind := byte(jsonFalse)
		if v {
			kind = jsonTrue
		}
		e.out = append(e.out, kind)
	case string:
		e.out = append(e.out, jsonText)
		e.text(v)
	case int64:
		e.out = append(e.out, jsonInt)
		e.int(v)
	case float64:
		e.out = append(e.out, jsonFloat)
		e.uint(math.Float64bits(v))
	case []any:
		e.out = append(e.out, jsonList)
		e.length(len(v), v == nil)
		for _, x := range v {
			e.json(x)
		}
	case map[string]any:
		e.out = append(e.out, jsonMap)
		e.length(len(v), v == nil)
		for key, x := range v {
			e.text(key)
			e.json(x)
		}
	default:
		e.fail("a %T among JSON values", v)
	}
}
