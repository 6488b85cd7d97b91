package helm

import (
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"
)

const (
	// maxText bounds the bytes that one call of a function returns, about.
	maxText = 8 << 20
	// maxIndent bounds how many spaces a line is indented by.
	maxIndent = 10_000
	// maxNested bounds how deep what is printed nests; a map may hold itself.
	maxNested = 1000
	// scalarText is about what a number takes, in bytes.
	scalarText = 32
)

// wide finds widths and precisions of printf beyond 999.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*([0-9]{4,}|\*)`)

// textFunctions returns those of Helm's functions that join texts, bounded:
// without a bound, forty lines make a text of 2^40 bytes.
func textFunctions() template.FuncMap {
	funcs := sprig.TxtFuncMap()
	quote, squote := funcs["quote"].(func(...any) string), funcs["squote"].(func(...any) string)
	indent, nindent := funcs["indent"].(func(int, string) string), funcs["nindent"].(func(int, string) string)
	return template.FuncMap{
		"quote":   summed("quote", quote),
		"squote":  summed("squote", squote),
		"print":   summed("print", fmt.Sprint),
		"printf":  printf,
		"indent":  indented("indent", indent),
		"nindent": indented("nindent", nindent),
		"replace": replace,
	}
}

func summed(name string, f func(...any) string) any {
	return func(args ...any) (string, error) {
		total, _, err := weighAll(args)
		if err == nil {
			err = room(total)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return f(args...), nil
	}
}

func printf(format string, args ...any) (string, error) {
	total, most, err := weighAll(args)
	if err == nil {
		// An index, as in %[1]s, can print the same argument many times.
		err = room(max(total, most*strings.Count(format, "%")) + len(format))
	}
	if err == nil && wide.MatchString(format) {
		err = fmt.Errorf("%q has a width or precision of more than 999", format)
	}
	if err != nil {
		return "", fmt.Errorf("printf: %w", err)
	}
	return fmt.Sprintf(format, args...), nil
}

func indented(name string, f func(int, string) string) any {
	return func(n int, text string) (string, error) {
		if n < 0 || n > maxIndent {
			return "", fmt.Errorf("%s by %d: want 0 to %d spaces", name, n, maxIndent)
		}
		if err := room(len(text) + n*(strings.Count(text, "\n")+1)); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return f(n, text), nil
	}
}

func replace(old, by, text string) (string, error) {
	if more := len(by) - len(old); more > 0 {
		if err := room(len(text) + more*strings.Count(text, old)); err != nil {
			return "", fmt.Errorf("replace: %w", err)
		}
	}
	return strings.ReplaceAll(text, old, by), nil
}

func room(n int) error {
	if n > maxText {
		return fmt.Errorf("would make a text of more than %d bytes", maxText)
	}
	return nil
}

// weighAll returns about how long the arguments are as text: together, and the
// longest.
func weighAll(args []any) (total, most int, err error) {
	for _, arg := range args {
		w := weigher{}
		if err := w.add(arg, 0); err != nil {
			return 0, 0, err
		}
		total, most = total+w.n, max(most, w.n)
	}
	return total, most, nil
}

type weigher struct{ n int }

func (w *weigher) add(v any, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("what is printed nests more than %d levels deep", maxNested)
	}
	switch v := v.(type) {
	case string:
		w.n += len(v)
	case []any:
		for _, item := range v {
			if err := w.add(item, depth+1); err != nil {
				return err
			}
		}
	case common.Values:
		return w.add(map[string]any(v), depth)
	case map[string]any:
		for key, item := range v {
			w.n += len(key)
			if err := w.add(item, depth+1); err != nil {
				return err
			}
		}
	default:
		w.n += scalarText
	}
	return room(w.n)
}
