package change_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/fleet/fleettxt"
	"github.com/leat-dev/leat/internal/plan"
	"github.com/leat-dev/leat/internal/secret"
)

var update = flag.Bool("update", false, "write what was got as what is wanted")

var mask = plan.NewMask(secret.Key("a key for tests, always the same"))

func read(t testing.TB, file string) fleettxt.Pair {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := fleettxt.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return p
}

func files(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(found) == 0 {
		t.Fatalf("found %v, %v", found, err)
	}
	return found
}

func TestCompare(t *testing.T) {
	for _, file := range files(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			p := read(t, file)
			got := told(change.Compare(p.Base, p.Head, change.Options{Mask: mask, Inputs: p.Inputs}))
			if *update {
				if err := os.WriteFile(file, p.Update(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != p.Want {
				t.Errorf("got\n%s\nwant\n%s", got, p.Want)
			}
		})
	}
}

// told writes a change down for people.
func told(set change.Set) string {
	var b strings.Builder
	for _, u := range set.Units {
		fmt.Fprintf(&b, "%s %s%s%s\n", u.Op, u.Key, why(u.Why), standing(u.Before, u.After))
		tellFields(&b, "  ", u.Spec)
		if r := u.Release; r != nil {
			fmt.Fprintf(&b, "  %s release %s/%s: %s %s → %s %s\n", r.Op, r.Namespace, r.Name, r.Chart[0], r.Version[0], r.Chart[1], r.Version[1])
			tellFields(&b, "    ", r.Values)
		}
		for _, o := range u.Objects {
			fmt.Fprintf(&b, "  %s%s\n", o, why(o.Why))
			tellFields(&b, "    ", o.Fields)
		}
		for _, w := range u.Warnings {
			fmt.Fprintf(&b, "  ! %s\n", w)
		}
	}
	for _, c := range set.Causes {
		age := "new"
		if c.Old {
			age = "old"
		}
		fmt.Fprintf(&b, "%s cause %s: %s; holds up %d\n", age, c.Unit, c.Message, len(c.Blocking))
	}
	if b.Len() == 0 {
		return "nothing\n"
	}
	return b.String()
}

func why(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func standing(before, after change.Standing) string {
	if before.State == after.State {
		return ""
	}
	return fmt.Sprintf(" [%s → %s]", none(before.State), none(after.State))
}

func none(s fleet.State) fleet.State {
	if s == "" {
		return "∅"
	}
	return s
}

func tellFields(b *strings.Builder, indent string, fields []change.Field) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s%s\n", indent, f.FieldChange)
	}
}
