package change_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/plan"
)

// Of a long file in a ConfigMap the lines are told that differ, wherever they stand; of a
// Secret none.
func TestLongTextTellsWhatDiffers(t *testing.T) {
	text := func(from, to int, line string) string {
		var b strings.Builder
		for i := from; i < to; i++ {
			if i == 400 && line != "" {
				fmt.Fprintln(&b, line)
				continue
			}
			fmt.Fprintf(&b, "line %d of the file\n", i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ kind, before, after, wantBefore, wantAfter string }{
		"a line": {"ConfigMap", text(0, 500, ""), text(0, 500, "another"),
			"… 397 lines the same\n" + text(397, 404, "") + "… 97 lines the same", "… 397 lines the same\n" + text(397, 404, "another") + "… 97 lines the same"},
		"the end":   {"ConfigMap", text(0, 500, ""), text(0, 501, ""), "… 497 lines the same\n" + text(497, 500, ""), "… 497 lines the same\n" + text(497, 501, "")},
		"short":     {"ConfigMap", text(0, 9, ""), text(0, 10, ""), text(0, 9, ""), text(0, 10, "")},
		"one line":  {"ConfigMap", strings.Repeat("a", 9000), strings.Repeat("a", 9000) + "b", "", ""},
		"a secret":  {"Secret", text(0, 500, ""), text(0, 500, "another"), "", ""},
		"all of it": {"ConfigMap", text(0, 500, ""), strings.ReplaceAll(text(0, 500, ""), "line", "row"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := func(value string) *unstructured.Unstructured {
				field := "data"
				if c.kind == "Secret" {
					field = "stringData"
				}
				return &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "v1", "kind": c.kind, "metadata": map[string]any{"name": "a"}, field: map[string]any{"file": value},
				}}
			}
			fields := change.Compare(ofObject(object(c.before)), ofObject(object(c.after)), options()).Units[0].Objects[0].Fields
			if len(fields) != 1 || fields[0].Before == fields[0].After {
				t.Fatalf("got %v", fields)
			}
			got := fmt.Sprint(fields[0])
			if c.wantBefore == "" {
				if len(got) > 10_000 || c.kind == "Secret" && strings.Contains(got, "line") {
					t.Errorf("got %s", got)
				}
				return
			}
			if fields[0].Before != jsonOf(t, c.wantBefore) || fields[0].After != jsonOf(t, c.wantAfter) {
				t.Errorf("got %s\nwant %s → %s", got, c.wantBefore, c.wantAfter)
			}
		})
	}
}

func jsonOf(t *testing.T, text string) plan.Value {
	t.Helper()
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return plan.Value(out)
}
