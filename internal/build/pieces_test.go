package build

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/record"
	"github.com/leat-dev/leat/internal/tree"
)

// A build whose documents are known is the build that reads each of them, after any
// edit, also where another process knew them.
func TestPiecesEqualWhole(t *testing.T) {
	draw := rand.New(rand.NewPCG(9, 10))
	r := Recipe{Path: ".", OwnerName: "a", OwnerNamespace: "b", CommonLabels: map[string]string{"team": "x"}}
	docs := make([]string, worthPieces+8)
	for i := range docs {
		docs[i] = strings.Replace(plainUnit, "name: a,", fmt.Sprintf("name: n%d,", i), 1)
	}
	for range 40 {
		docs[draw.IntN(len(docs))] = []string{
			plainUnit, "# nothing\n", "", strings.Replace(plainUnit, "path: ./a", "path: ./b", 1), "a: [\n",
			fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\ndata: {a: \"%d\", b: |\n    x\n  }\n", draw.IntN(9), draw.IntN(3)),
			fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: d%d\ndata:\n  a: \"%d\"\n  b: |\n    x\n    --- y\n", draw.IntN(9), draw.IntN(3)),
			"kind: Service\napiVersion: v1\nmetadata: {name: s}\n", "apiVersion: v1\nkind: List\nitems: []\n",
		}[draw.IntN(9)]
		half := draw.IntN(len(docs))
		tr, err := tree.FromFiles(map[string]string{"a.yaml": strings.Join(docs[:half], "---\n"), "b.yaml": "---\n" + strings.Join(docs[half:], "--- # next\n")})
		if err != nil {
			t.Fatal(err)
		}
		want, wantReads, wantErr := inWhole(tr, r)
		for _, how := range []string{"anew", "known", "of another process"} {
			switch how {
			case "anew":
				forgetPieces()
			case "of another process":
				s := Saved{Outcome: Outcome{Result: want}, Pieces: pieces.of(want)}
				forgetPieces()
				if err := s.Remember(r); err != nil {
					t.Fatal(err)
				}
			}
			got, reads, err := Run(context.Background(), tr, r, Options{})
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%s: got error %v, want %v", how, err, wantErr)
			}
			if err == nil && !reflect.DeepEqual(got, want) || !reflect.DeepEqual(reads, wantReads) {
				t.Fatalf("%s:\ngot  %+v\nwant %+v", how, got, want)
			}
			want = got // which shares its texts with what is known by now
		}
	}
}

// inWhole builds without knowing documents: each result is made of what was printed.
func inWhole(tr tree.Tree, r Recipe) (Result, record.Set, error) {
	forgetPieces()
	defer forgetPieces()
	rec := &record.Recorder{}
	p := newPort(context.Background(), tr, rec)
	docs, err := p.build(context.Background(), r, Options{})
	if err != nil {
		return Result{}, rec.Set(), p.outward(err)
	}
	for i := range docs {
		docs[i] = document{text: docs[i].text}
	}
	out, err := finish(docs, r, p.warnings())
	return out, rec.Set(), err
}

func forgetPieces() { pieces = &bookmark{}; decodes = &seen{n: 20_000} }
