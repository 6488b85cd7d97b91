package validate_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leat-dev/leat/internal/validate"
	"github.com/leat-dev/leat/internal/world/schema"
)

var update = flag.Bool("update", false, "write what is wrong into the archives")

func parse(t testing.TB, data []byte) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON(data)
	if err == nil {
		err = u.UnmarshalJSON(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Every archive of testdata holds objects, definitions among them, and in «want»
// what is wrong with each.
func TestObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			archive := txtar.Parse(data)
			got, want := "", ""
			kinds := schema.Builtin()
			var objs []*unstructured.Unstructured
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				obj := parse(t, f.Data)
				if obj.GetKind() == schema.DefinitionKind.Kind {
					d, err := schema.Compile(obj)
					if err != nil {
						t.Fatal(err)
					}
					kinds = kinds.With(d)
				}
				objs = append(objs, obj)
			}
			check := validate.New(kinds.Find)
			for _, obj := range objs {
				before := obj.DeepCopy()
				for _, p := range check.Object(context.Background(), obj) {
					unknown := ""
					if p.Unknown {
						unknown = " (unknown)"
					}
					got += fmt.Sprintf("%s %s: %s%s\n", obj.GetName(), p.Field, p.Message, unknown)
				}
				if fmt.Sprint(before.Object) != fmt.Sprint(obj.Object) {
					t.Errorf("%s was changed", obj.GetName())
				}
			}
			for _, line := range check.Schemaless() {
				got += line + "\n"
			}
			if *update {
				archive.Files[len(archive.Files)-1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

const canary = "hunter2-canary"

func TestNoSecretInProblems(t *testing.T) {
	for _, text := range []string{
		"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: " + canary + "}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: " + canary + "}",
		"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: [" + canary + "]}}",
		"{apiVersion: v1, kind: Secret, metadata: {name: s}, type: [" + canary + "]}",
	} {
		problems := validate.New(schema.Builtin().Find).Object(context.Background(), parse(t, []byte(text)))
		if len(problems) == 0 {
			t.Errorf("%s: nothing is wrong", text)
		}
		if strings.Contains(fmt.Sprint(problems), canary) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// A definition may ask for more work than a server does: that is a problem, and
// ends.
func TestCostIsBounded(t *testing.T) {
	d, err := schema.Compile(parse(t, []byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: loops.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: loops, kind: Loop}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - rule: "self.a.all(x, self.a.all(y, self.a.all(z, self.a.exists(w, w == x + y + z || true))))"
            properties:
              a: {type: array, items: {type: string}}
`)))
	if err != nil {
		t.Fatal(err)
	}
	list := strings.Repeat("abcdefgh, ", 400)
	obj := parse(t, []byte("{apiVersion: example.org/v1, kind: Loop, metadata: {name: l}, spec: {a: ["+list+"]}}"))
	problems := validate.New(schema.Builtin().With(d).Find).Object(context.Background(), obj)
	if len(problems) == 0 || !strings.Contains(fmt.Sprint(problems), "cost") {
		t.Errorf("got %v", problems)
	}
}

func FuzzObject(f *testing.F) {
	f.Add(`{"apiVersion":"v1","kind":"Service","metadata":{"name":"x"},"spec":{"ports":[{"port":"x"}]}}`)
	f.Add(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":{"template":{"spec":{"containers":[1,{"name":"a","a.b":{}}]}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		u := &unstructured.Unstructured{}
		if u.UnmarshalJSON([]byte(text)) != nil {
			return
		}
		for _, p := range validate.New(schema.Builtin().Find).Object(context.Background(), u) {
			if p.Message == "" || p.Field != "" && p.Field[0] != '/' {
				t.Errorf("%q: %+v", text, p)
			}
		}
	})
}
