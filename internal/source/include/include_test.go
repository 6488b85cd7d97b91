package include

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/tree"
)

func files(t *testing.T, m map[string]string) tree.Tree {
	t.Helper()
	out, err := tree.FromFiles(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInto(t *testing.T) {
	base := files(t, map[string]string{"a": "1", "d/e": "2"})
	other := files(t, map[string]string{"x": "3", "y/z": "4"})
	cases := map[string]struct {
		parts []Part
		want  map[string]string
		err   string
	}{
		"defaults":         {parts: []Part{{Name: "lib"}}, want: map[string]string{"lib/x": "3", "lib/y/z": "4"}},
		"part of it":       {parts: []Part{{Name: "lib", From: "./y/", To: "d/sub"}}, want: map[string]string{"d/sub/z": "4"}},
		"a file":           {parts: []Part{{Name: "lib", From: "x", To: "n/x"}}, want: map[string]string{"n/x": "3"}},
		"two":              {parts: []Part{{Name: "lib"}, {Name: "more", From: "y"}}, want: map[string]string{"lib/x": "3", "lib/y/z": "4", "more/z": "4"}},
		"twice":            {parts: []Part{{Name: "lib"}, {Name: "lib"}}, err: `include lib from "." to "lib": lib is there already`},
		"over a directory": {parts: []Part{{Name: "lib", To: "d"}}, err: "d is there already"},
		"over the root":    {parts: []Part{{Name: "lib", To: "."}}, err: ". is there already"},
		"below a file":     {parts: []Part{{Name: "lib", To: "a/b"}}, err: "a is a file"},
		"not there":        {parts: []Part{{Name: "lib", From: "nope"}}, err: "nope is not in its artifact"},
		"out of it":        {parts: []Part{{Name: "lib", From: "../x"}}, err: "leads out"},
		"out of us":        {parts: []Part{{Name: "lib", To: "../../etc"}}, err: "leads out"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for i := range c.parts {
				c.parts[i].Tree = other
			}
			got, err := Into(base, c.parts)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			c.want["a"], c.want["d/e"] = "1", "2"
			if want := files(t, c.want); err != nil || got.Hash() != want.Hash() {
				t.Errorf("changed %v, error %v", tree.Changed(got, want), err)
			}
		})
	}
}

// Ten repositories that each include the one before ten times would be ten thousand
// million files.
func TestIncludesAreBounded(t *testing.T) {
	whole := files(t, map[string]string{"a.yaml": "a"})
	var err error
	for level := range 10 {
		var parts []Part
		for i := range 10 {
			parts = append(parts, Part{Name: "shared", Tree: whole, To: fmt.Sprint("p", i)})
		}
		if whole, err = Into(tree.Tree{}, parts); err != nil {
			if level != 5 || !strings.Contains(err.Error(), "more than 200000") {
				t.Errorf("level %d: %v", level, err)
			}
			return
		}
	}
	t.Errorf("%d files are in one tree", whole.Files())
}
