package helm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"helm.sh/helm/v4/pkg/chart/common"
)

// Values as bytes, for another process. JSON would not do: templates tell int64
// from float64, and common.Values from a map.
//
//	value  = tag [payload]        length = unsigned varint
//	string = length bytes         list   = length value…      map = length (string value)…
const (
	tagNil = iota
	tagFalse
	tagTrue
	tagInt
	tagInt64
	tagUint64
	tagFloat
	tagString
	tagNumber // json.Number
	tagList
	tagMap
	tagValues
)

// maxPackedDepth bounds how deep values nest.
const maxPackedDepth = 1000

var errUnpack = errors.New("read values: broken")

// pack appends a value, of the types that YAML and JSON are read as.
func pack(to []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(to, tagNil), nil
	case bool:
		if v {
			return append(to, tagTrue), nil
		}
		return append(to, tagFalse), nil
	case int:
		return binary.AppendVarint(append(to, tagInt), int64(v)), nil
	case int64:
		return binary.AppendVarint(append(to, tagInt64), v), nil
	case uint64:
		return binary.AppendUvarint(append(to, tagUint64), v), nil
	case float64:
		return binary.BigEndian.AppendUint64(append(to, tagFloat), math.Float64bits(v)), nil
	case string:
		return packText(append(to, tagString), v), nil
	case json.Number:
		return packText(append(to, tagNumber), string(v)), nil
	case []any:
		return packList(to, v)
	case map[string]any:
		return packMap(append(to, tagMap), v)
	case common.Values:
		return packMap(append(to, tagValues), v)
	default:
		return nil, fmt.Errorf("pack values: there is a %T among them", v)
	}
}

func packText(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

func packList(to []byte, list []any) (_ []byte, err error) {
	to = binary.AppendUvarint(append(to, tagList), uint64(len(list)))
	for _, item := range list {
		if to, err = pack(to, item); err != nil {
			return nil, err
		}
	}
	return to, nil
}

func packMap(to []byte, m map[string]any) (_ []byte, err error) {
	to = binary.AppendUvarint(to, uint64(len(m)))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if to, err = pack(packText(to, key), m[key]); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// unpack returns the value that pack wrote.
func unpack(text []byte) (any, error) {
	u := unpacker{text}
	v, err := u.value(0)
	if err == nil && len(u.rest) > 0 {
		err = errUnpack
	}
	return v, err
}

type unpacker struct{ rest []byte }

func (u *unpacker) value(depth int) (any, error) {
	if len(u.rest) == 0 || depth > maxPackedDepth {
		return nil, errUnpack
	}
	tag := u.rest[0]
	u.rest = u.rest[1:]
	switch tag {
	case tagNil:
		return nil, nil
	case tagFalse, tagTrue:
		return tag == tagTrue, nil
	case tagInt, tagInt64, tagUint64, tagFloat:
		return u.number(tag)
	case tagString:
		return u.text()
	case tagNumber:
		s, err := u.text()
		return json.Number(s), err
	case tagList:
		return u.list(depth + 1)
	case tagMap:
		return u.object(depth + 1)
	case tagValues:
		m, err := u.object(depth + 1)
		return common.Values(m), err
	default:
		return nil, errUnpack
	}
}

func (u *unpacker) number(tag byte) (any, error) {
	switch tag {
	case tagFloat:
		if len(u.rest) < 8 {
			return nil, errUnpack
		}
		bits := binary.BigEndian.Uint64(u.rest)
		u.rest = u.rest[8:]
		return math.Float64frombits(bits), nil
	case tagUint64:
		n, size := binary.Uvarint(u.rest)
		if size <= 0 {
			return nil, errUnpack
		}
		u.rest = u.rest[size:]
		return n, nil
	}
	n, size := binary.Varint(u.rest)
	if size <= 0 {
		return nil, errUnpack
	}
	u.rest = u.rest[size:]
	if tag == tagInt {
		return int(n), nil
	}
	return n, nil
}

// length reads how many things follow; each takes a byte at least.
func (u *unpacker) length() (int, error) {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 || n > uint64(len(u.rest)-size) {
		return 0, errUnpack
	}
	u.rest = u.rest[size:]
	return int(n), nil
}

func (u *unpacker) text() (string, error) {
	n, err := u.length()
	if err != nil {
		return "", err
	}
	s := string(u.rest[:n])
	u.rest = u.rest[n:]
	return s, nil
}

func (u *unpacker) list(depth int) (any, error) {
	n, err := u.length()
	if err != nil {
		return nil, err
	}
	out := make([]any, n)
	for i := range out {
		if out[i], err = u.value(depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (u *unpacker) object(depth int) (map[string]any, error) {
	n, err := u.length()
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, min(n, len(u.rest)/2))
	for range n {
		key, err := u.text()
		if err != nil {
			return nil, err
		}
		if out[key], err = u.value(depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}
