package present

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/plan"
)

// fieldName writes a JSON pointer for people: spec.containers[web].image. An
// element of a list is called by its name or key, as one of the trees knows it.
func fieldName(pointer string, trees ...any) string {
	steps, err := plan.ParsePointer(pointer)
	if err != nil {
		return pointer
	}
	var out strings.Builder
	for _, step := range steps {
		index, err := strconv.Atoi(step)
		switch {
		case err == nil && inList(trees):
			fmt.Fprintf(&out, "[%s]", elementName(trees, index))
		case plainStep.MatchString(step):
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(step)
		default:
			fmt.Fprintf(&out, "[%s]", step)
		}
		trees = descend(trees, step)
	}
	return out.String()
}

var plainStep = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_-]*$`)

// elementKeys name an element of a list, the best first.
var elementKeys = []string{"name", "key", "mountPath", "containerPort", "port", "host", "ip", "path", "kind"}

func elementName(trees []any, index int) string {
	for _, t := range trees {
		list, _ := t.([]any)
		if index >= len(list) {
			continue
		}
		element, _ := list[index].(map[string]any)
		for _, key := range elementKeys {
			switch v := element[key].(type) {
			case string, int64, float64:
				return fmt.Sprint(v)
			}
		}
		break
	}
	return strconv.Itoa(index)
}

// inList tells whether the first tree that reaches here has a list here; where
// none does, a number is taken for an index.
func inList(trees []any) bool {
	for _, t := range trees {
		if t != nil {
			_, is := t.([]any)
			return is
		}
	}
	return true
}

func descend(trees []any, step string) []any {
	out := make([]any, len(trees))
	for i, t := range trees {
		switch t := t.(type) {
		case map[string]any:
			out[i] = t[step]
		case []any:
			if index, err := strconv.Atoi(step); err == nil && index < len(t) {
				out[i] = t[index]
			}
		}
	}
	return out
}
