package yamldiff

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// The reports of the library that upstream uses, for the same pairs.
func TestReport(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/dyff.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	for name, want := range files {
		test, ok := strings.CutSuffix(name, "/report")
		if !ok {
			continue
		}
		t.Run(test, func(t *testing.T) {
			var before, after any
			for file, into := range map[string]*any{"/before": &before, "/after": &after} {
				if err := json.Unmarshal([]byte(files[test+file]), into); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Report(before, after)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"a":[{"name":"x","v":1}],"t":"a\nb"}`), []byte(`{"a":[{"name":"y"},1],"t":"a\nc"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var before, after any
		if json.Unmarshal(a, &before) != nil || json.Unmarshal(b, &after) != nil {
			return
		}
		got, err := Report(before, before)
		if err == nil && got != "\n" {
			t.Errorf("a value differs from itself: %s", got)
		}
		_, _ = Report(before, after)
	})
}
