package fluxcli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// A transcript is a txtar archive: files to work on, and the file «transcript»,
// which shows what was typed and what came: stdout as it is, stderr after «2> »,
// and the exit code where it is not 0.
//
//	$ FOO=bar flux envsubst < in.yaml
//	host: bar
//
// With FLUX_REAL=<path of flux v2.9.5> the same lines go to that program: its
// stdout and exit code must be the same, and its stderr the begin of ours, which
// may go on with what to do. Lines after «$$» are ours alone.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	t.Setenv("KUBECONFIG", "/nonexistent")
	t.Setenv("TZ", "UTC")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { transcript(t, file) })
	}
}

func transcript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", dir)
	var want *txtar.File
	for i, f := range archive.Files {
		if f.Name == "transcript" {
			want = &archive.Files[i]
			continue
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, f.Name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	serveCatalogue(t, dir)
	var got strings.Builder
	for line := range strings.Lines(string(want.Data)) {
		if strings.HasPrefix(line, "$") {
			got.WriteString(line)
			typed(t, strings.TrimSpace(line)).write(&got, dir)
		} else if strings.HasPrefix(line, "#") {
			got.WriteString(line)
		}
	}
	if *update {
		want.Data = []byte(got.String())
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != string(want.Data) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want.Data)
	}
}

// serveCatalogue serves the files below catalog/ as the catalogue of plugins;
// $CATALOG in them is its address.
func serveCatalogue(t *testing.T, dir string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(filepath.Join(dir, "catalog", filepath.Base(r.URL.Path)))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Write(bytes.ReplaceAll(data, []byte("$CATALOG"), []byte("http://"+r.Host)))
	}))
	t.Cleanup(s.Close)
	t.Setenv(envCatalogue, s.URL+"/")
}

// answer is what came of a line.
type answer struct {
	out, err string
	code     int
}

// write prints an answer; dir, where the files are, is $WORK.
func (a answer) write(b *strings.Builder, dir string) {
	a.out, a.err = strings.ReplaceAll(a.out, dir, "$WORK"), strings.ReplaceAll(a.err, dir, "$WORK")
	a.err = strings.ReplaceAll(a.err, strings.TrimSuffix(os.Getenv(envCatalogue), "/"), "$CATALOG")
	text := a.out
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for line := range strings.Lines(a.err) {
		text += "2> " + strings.TrimSuffix(line, "\n") + "\n"
	}
	if a.code != 0 {
		text += fmt.Sprintf("exit %d\n", a.code)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "$") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "-- ") {
			line = "\\" + line
		}
		b.WriteString(strings.ReplaceAll(line, "\r", `\r`))
	}
}

// typed runs a line.
func typed(t *testing.T, line string) answer {
	t.Helper()
	words := split(strings.TrimLeft(line, "$ "))
	var stdin []byte
	for i, w := range words {
		if w == "<" {
			data, err := os.ReadFile(words[i+1])
			if err != nil {
				t.Fatal(err)
			}
			stdin, words = data, words[:i]
			break
		}
	}
	for strings.Contains(words[0], "=") {
		name, value, _ := strings.Cut(words[0], "=")
		old, had := os.LookupEnv(name)
		os.Setenv(name, value)
		if had {
			defer os.Setenv(name, old)
		} else {
			defer os.Unsetenv(name)
		}
		words = words[1:]
	}
	if words[0] == "cat" {
		data, err := os.ReadFile(words[1])
		if err != nil {
			t.Fatal(err)
		}
		return answer{out: string(data)}
	}
	var out, stderr bytes.Buffer
	var before map[string]string
	real := os.Getenv("FLUX_REAL")
	if real != "" && !strings.HasPrefix(line, "$$") {
		before = contents(t)
	}
	code := Main(context.Background(), words[1:], Env{In: bytes.NewReader(stdin), Out: &out, Err: &stderr, Version: Contract})
	a := answer{out.String(), stderr.String(), code}
	if before != nil {
		restore(t, before)
		compareReal(t, exec.Command(real, words[1:]...), stdin, a)
	}
	return a
}

func compareReal(t *testing.T, cmd *exec.Cmd, stdin []byte, a answer) {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &stderr
	_ = cmd.Run()
	want := answer{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	if a.out != want.out || a.code != want.code || !strings.HasPrefix(a.err, strings.TrimSuffix(want.err, "\n")) {
		t.Errorf("%s\nours: %d\n%s%s\nflux: %d\n%s%s", strings.Join(cmd.Args[1:], " "), a.code, a.out, a.err, want.code, want.out, want.err)
	}
}

// contents reads the working directory, so that both programs start with the
// same one; restore writes it back.
func contents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(".", func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		out[file] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func restore(t *testing.T, files map[string]string) {
	t.Helper()
	for file, data := range files {
		if err := os.WriteFile(file, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// split takes a line apart as a shell does, as far as transcripts need it.
func split(line string) []string {
	var out []string
	var word strings.Builder
	quote, some := rune(0), false
	for _, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, some = r, true
		case quote == 0 && r == ' ':
			if some || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(r)
		}
	}
	if some || word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}
