package flowtest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/leat-dev/leat/internal/app"
	"github.com/leat-dev/leat/internal/cli"
)

// docs is the page that tells the stories. A block of output in it follows a line
//
//	<!-- story: hotfix/start -->
//
// and holds what the verbs of that scene printed.
var docs = func() string {
	file, err := filepath.Abs("../../docs/stories.md") // before a story goes elsewhere
	if err != nil {
		panic(err)
	}
	return file
}()

// story types verbs as Ann does, and keeps what they print, scene by scene.
type story struct {
	*organisation
	title  string
	scenes []string // in order
	said   map[string]*bytes.Buffer
	words  []string // of this machine, and what they are called in the docs
	clock  app.Clock
}

func newStory(o *organisation, title string) *story {
	s := &story{organisation: o, title: title, said: map[string]*bytes.Buffer{}}
	s.words = []string{o.base, "https://git.example.com", o.home, "~"}
	return s
}

// scene begins the next one.
func (s *story) scene(name string) {
	s.scenes = append(s.scenes, name)
	s.said[name] = &bytes.Buffer{}
}

// page is what the present scene has printed.
func (s *story) page() *bytes.Buffer { return s.said[s.scenes[len(s.scenes)-1]] }

// note writes what people do beside the verbs.
func (s *story) note(format string, args ...any) {
	fmt.Fprintf(s.page(), "# "+format+"\n", args...)
}

// leat runs a verb that must work, and returns what it prints.
func (s *story) leat(args ...string) string { s.Helper(); return s.exits(0, args...) }

// exits runs a verb that must end with a code.
func (s *story) exits(code int, args ...string) string {
	s.Helper()
	return s.typed(code, nil, args...)
}

// typed runs a verb; heard, which may be nil, hears what it prints as it does.
func (s *story) typed(code int, heard io.Writer, args ...string) string {
	s.Helper()
	fmt.Fprintf(s.page(), "$ leat %s\n", quoted(args))
	var out bytes.Buffer
	var to io.Writer = &out
	if heard != nil {
		to = io.MultiWriter(&out, heard)
	}
	got := cli.Main(s.Context(), args, cli.Env{In: strings.NewReader(""), Out: to, Err: to, Clock: s.clock})
	s.page().Write(out.Bytes())
	if got != code {
		s.Fatalf("leat %s exits %d, want %d:\n%s", quoted(args), got, code, out.String())
	}
	if code != 0 {
		fmt.Fprintf(s.page(), "(exit %d)\n", code)
	}
	return out.String()
}

// webhook tells a source of an environment to look when a watch says that it has not
// fetched the commit, as the receiver of a webhook does before.
func (s *story) webhook(at map[string]*place, source string) io.Writer {
	return hears(func(line string) {
		for name, p := range at {
			if strings.Contains(line, " "+name+" ") && strings.Contains(line, " pending ") {
				p.told(source)
			}
		}
	})
}

// hears is called with what is written.
type hears func(string)

// Write implements io.Writer.
func (h hears) Write(p []byte) (int, error) {
	h(string(p))
	return len(p), nil
}

var plainWord = regexp.MustCompile(`^[-\w./:=@]+$`)

func quoted(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if out[i] = a; !plainWord.MatchString(a) {
			out[i] = "'" + a + "'"
		}
	}
	return strings.Join(out, " ")
}

// types is a git command of Ann's, as the docs show it.
func (s *story) types(dir string, args ...string) {
	s.Helper()
	at := ""
	if dir != "." {
		at = "-C " + dir + " "
	}
	fmt.Fprintf(s.page(), "$ git %s%s\n", at, quoted(args))
	s.git(dir, args...)
}

// says fails the test where a text lacks a line that matches each pattern.
func (s *story) says(text string, patterns ...string) {
	s.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).MatchString(text) {
			s.Errorf("no line matches %q:\n%s", p, text)
		}
	}
}

// told compares the scenes with the docs, or writes them there.
func (s *story) told() {
	s.Helper()
	text, err := os.ReadFile(docs)
	s.must(err)
	page := string(text)
	for _, scene := range s.scenes {
		name := s.title + "/" + scene
		got := strings.NewReplacer(s.words...).Replace(s.said[scene].String())
		at, old, found := block(page, name)
		switch {
		case !found:
			s.Errorf("%s has no block of %s, which printed:\n%s", docs, name, got)
		case same(got, old, s.gitea != nil):
		case *update && s.gitea == nil:
			s.Error("a real Gitea is needed to write the docs: GITEA_REAL=$(tools/gitea)")
		case *update:
			page = page[:at] + got + page[at+len(old):]
		default:
			s.Errorf("%s: %s is not what is printed (-update writes it): got\n%s\nwant\n%s", docs, name, got, old)
		}
	}
	if *update && page != string(text) {
		s.must(os.WriteFile(docs, []byte(page), 0o644))
	}
}

// block finds the output of a scene in the docs, and where it begins.
func block(page, name string) (at int, text string, found bool) {
	mark := "<!-- story: " + name + " -->\n```\n"
	at = strings.Index(page, mark)
	if at < 0 {
		return 0, "", false
	}
	at += len(mark)
	if strings.HasPrefix(page[at:], "```\n") {
		return at, "", true
	}
	end := strings.Index(page[at:], "\n```\n")
	if end < 0 {
		return 0, "", false
	}
	return at, page[at : at+end+1], true
}

// same compares two recordings but for what differs from one playing to the next.
func same(a, b string, forge bool) bool { return normal(a, forge) == normal(b, forge) }

var (
	anyHash   = regexp.MustCompile(`\b[0-9a-f]{40}\b|\b[0-9a-f]{10}\b|\b[0-9a-f]{7}\b`)
	anyTime   = regexp.MustCompile(`\b\d{4}-\d\d-\d\d(T[\d:]+Z)?\b|\b\d+(\.\d+)?(ms|s|m)\b|less than 1m|\b\d+ (seconds|minutes)`)
	onTheWay  = regexp.MustCompile(`(?m)^ *\S+  \S+ +(pending|fetched|applied) .*\n`)
	ofAForge  = regexp.MustCompile(`(?m)^Pull request .*\n|^No pull request is opened: .*\n|^merge \S+ into \S+ of .*\n|^ +[0-9a-f]{10} Merge .*\n`)
	manyBlank = regexp.MustCompile(` +`)
)

// normal is a recording without hashes but for which is which, times, and what a watch
// sees on the way; where no forge is, without its lines.
func normal(text string, forge bool) string {
	text = onTheWay.ReplaceAllString(text, "")
	if !forge {
		text = ofAForge.ReplaceAllString(text, "")
	}
	text = anyTime.ReplaceAllString(text, "<time>")
	known := map[string]int{}
	text = anyHash.ReplaceAllStringFunc(text, func(id string) string {
		if known[id[:7]] == 0 {
			known[id[:7]] = len(known) + 1
		}
		return fmt.Sprintf("<commit %d>", known[id[:7]])
	})
	return inAnyOrder(manyBlank.ReplaceAllString(text, " "))
}

// inAnyOrder sorts the lines that tell of environments as they arrive: which of two
// clusters is first differs from one playing to the next.
func inAnyOrder(text string) string {
	lines := strings.Split(text, "\n")
	arrives := func(i int) bool { return i < len(lines) && strings.HasPrefix(lines[i], " <time> ") }
	for from := 0; from < len(lines); from++ {
		to := from
		for arrives(to) {
			to++
		}
		slices.Sort(lines[from:to])
		from = max(from, to-1)
	}
	return strings.Join(lines, "\n")
}

func TestNormal(t *testing.T) {
	a := "$ leat hotfix watch keda --env dev\nrelease/0.1.45 at 0123456789\n   0s  dev   pending GitRepository: it has release/0.1.45@sha1:0123\n  1.2s  dev           healthy\n0123456789 and 9876543210\n"
	b := strings.NewReplacer("1.2s", "11s", "0123456789", "abcdef0123", "   0s  dev   pending GitRepository: it has release/0.1.45@sha1:0123\n", "").Replace(a)
	if !same(a, b, true) {
		t.Errorf("got\n%s\nand\n%s", normal(a, true), normal(b, true))
	}
	both := "  1s  dev  healthy\n  2s  sandbox  healthy\nend\n"
	if !same(both, "  1s  sandbox  healthy\n  3s  dev  healthy\nend\n", true) || same(both, "  1s  dev  healthy\nend\n  2s  sandbox  healthy\n", true) {
		t.Error("who arrives first makes a difference, or makes none where something lies between")
	}
	if c := strings.Replace(b, "9876543210", "abcdef0123", 1); same(a, c, true) {
		t.Error("another commit is the same")
	}
	if same(a, strings.Replace(a, "healthy", "failed", 1), true) {
		t.Error("failed is the same as healthy")
	}
}

// The docs hold no block that no story plays.
func TestNoBlockIsForgotten(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	code, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]bool{}
	for _, file := range code {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title := ""
		for _, m := range regexp.MustCompile(`newStory\(\w+, "(\w+)"\)|\.scene\("([\w-]+)"\)`).FindAllStringSubmatch(string(data), -1) {
			if m[1] != "" {
				title = m[1]
			} else {
				played[title+"/"+m[2]] = true
			}
		}
	}
	for _, m := range regexp.MustCompile(`<!-- story: (\S+) -->`).FindAllStringSubmatch(string(text), -1) {
		if !played[m[1]] {
			t.Errorf("%s: no story plays %s", docs, m[1])
		}
	}
}
