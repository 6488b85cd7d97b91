package fluxtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/cli"
	"github.com/leat-dev/leat/internal/fluxcli"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// canary is the password of testdata/lab.yaml; base64 is how an export shows it.
const canary = "canary-8c1e5f"

// Every verb does and says what its transcript shows.
func TestTranscripts(t *testing.T) {
	kubeconfig := up(t)
	for _, file := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Setenv("KUBECONFIG", kubeconfig)
			begin, want, lines := typed(t, file)
			var got strings.Builder
			for _, line := range lines {
				got.WriteString(line + "\n")
				if strings.HasPrefix(line, "$") {
					got.WriteString(stable(ours(line)).text())
				}
			}
			if *update {
				if err := os.WriteFile(file, []byte(begin+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				want = got.String()
			}
			if got.String() != want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
			if strings.Contains(got.String(), canary) && !strings.Contains(begin, "in clear") {
				t.Error("a secret was printed that nobody asked for")
			}
		})
	}
}

// The real command line of Flux says the same as ours about Leat, to the byte:
// stdout, stderr and exit code. Ours goes second, so that both see one state.
func TestRealFluxAgrees(t *testing.T) {
	real := os.Getenv("FLUX_REAL")
	if real == "" {
		t.Skip("the real command line of Flux is not here; FLUX_REAL=$(tools/fluxcli) builds it")
	}
	kubeconfig := up(t)
	for _, file := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Setenv("KUBECONFIG", kubeconfig)
			_, _, lines := typed(t, file)
			for _, line := range lines {
				if !strings.HasPrefix(line, "$ flux ") {
					continue
				}
				want, got := stable(theirs(real, line)), stable(ours(line))
				if got != want {
					t.Errorf("%s\nours:\n%s\nflux:\n%s", line, got.text(), want.text())
				}
			}
		})
	}
}

func transcripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return files
}

// typed reads a transcript: what stands before it in the archive, the transcript,
// and of it the lines that are typed, and comments.
func typed(t *testing.T, file string) (begin, want string, lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, want, found := strings.Cut(string(text), "-- transcript --\n")
	if !found {
		t.Fatalf("%s holds no file «transcript»", file)
	}
	for line := range strings.Lines(want) {
		if strings.HasPrefix(line, "$") || strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return begin + "-- transcript --\n", want, lines
}

// answer is what comes of a line.
type answer struct {
	out, err string
	code     int
}

func (a answer) text() string {
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
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "$") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "\\") {
			b.WriteByte('\\') // it was not typed
		}
		b.WriteString(line)
	}
	return b.String()
}

// ours runs a line under the name that it begins with.
func ours(line string) answer {
	words := strings.Fields(strings.TrimLeft(line, "$ "))
	var out, errs bytes.Buffer
	in := strings.NewReader("")
	if words[0] == "flux" {
		code := fluxcli.Main(context.Background(), words[1:], fluxcli.Env{In: in, Out: &out, Err: &errs, Version: "dev"})
		return answer{out.String(), errs.String(), code}
	}
	code := cli.Main(context.Background(), words[1:], cli.Env{In: in, Out: &out, Err: &errs})
	return answer{out.String(), errs.String(), code}
}

func theirs(real, line string) answer {
	var out, errs bytes.Buffer
	cmd := exec.Command(real, strings.Fields(line)[2:]...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run()
	return answer{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// unstable is what differs from one run to the next.
var unstable = []struct {
	text *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| [+-]\d{4} \S+)`), "<time>"},
	{regexp.MustCompile(`(?m)^((?:[a-z-]+ *\t)?)[0-9hms]+( \(x\d+ over [0-9hms]+\))? *\t(Normal|Warning)`), "$1<age>\t$3"},
	{regexp.MustCompile(`\t\d+[smh](\d+s)? *\t`), "\t<age>\t"},
	{regexp.MustCompile(`\t\d+[smh](\d+s)? *\t`), "\t<age>\t"}, // the next column
	{regexp.MustCompile(`/\S*leat-fluxtest-\d+`), "<data>"},
	{regexp.MustCompile(`(resourceVersion"?): "\d+"`), `$1: "<n>"`},
	{regexp.MustCompile(`\bin [0-9.]+(ms|s)\b`), "in <time>"},
	{regexp.MustCompile(`Duration: [0-9.mµs]+`), "Duration: <time>"},
	{regexp.MustCompile(`[0-9a-f]{64}`), "<sha256>"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "<sha1>"}, // the fleet's revision moves with examples/platform
	{regexp.MustCompile(`(sha1:|main@)[0-9a-f]{8}\b`), "$1<sha>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "<uid>"},
	{regexp.MustCompile(`\bv\d+\b(-[0-9a-z]+)*(: successfully|' |$)`), "v<n>$2"},
	{regexp.MustCompile(`cache\.v\d+`), "cache.v<n>"},
	{regexp.MustCompile(`-[0-9a-f]{8,10}(-[0-9a-z]{5})?\b`), "-<hash>"},
	{regexp.MustCompile(`queue-[0-9a-z]{5}\b`), "queue-<hash>"},
	{regexp.MustCompile(`(?m)^AGE|\tAGE *\tSINCE *\t`), "\tAGE\tSINCE\t"},
	{regexp.MustCompile(`[0-9.]+ (B|KiB|MiB)\b`), "<size>"},
	{regexp.MustCompile(` +\t`), "\t"},
	{regexp.MustCompile(` +\n`), "\n"},
}

func stable(a answer) answer {
	for _, u := range unstable {
		a.out, a.err = u.text.ReplaceAllString(a.out, u.as), u.text.ReplaceAllString(a.err, u.as)
	}
	return a
}
