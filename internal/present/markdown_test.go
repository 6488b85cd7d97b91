package present_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/present"
	"github.com/leat-dev/leat/internal/screen"
)

func TestMarkdown(t *testing.T) {
	got := fixture(t).Markdown(present.Comment{Name: "acme/fleet"})
	golden(t, "plan.md", got)
	if !strings.HasPrefix(got, present.Marker("acme/fleet")+"\n") {
		t.Errorf("the first line is no marker: %.80s", got)
	}
}

// huge is a plan of n units with ten objects each; of the first, a claim goes.
func huge(n int) present.Plan {
	e := present.Entry{Path: "clusters/prod", Set: change.Set{All: n}}
	for i := range n {
		u := change.Unit{Key: kustomization(fmt.Sprintf("unit-%04d", i)), Op: change.Change, Before: ready, After: ready}
		for j := range 10 {
			u.Objects = append(u.Objects, changed("Deployment", fmt.Sprintf("web-%d-%d", i, j),
				field(imagePath, fmt.Sprintf(`"web:%d"`, i), fmt.Sprintf(`"web:%d.%d"`, i, j)),
				field("/data/text", `"a\nb\nc"`, fmt.Sprintf(`"a\n%d\nc"`, j))))
		}
		if i == n/2 {
			u.Objects = append(u.Objects, gone(change.Delete, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: archive, namespace: db}}", "db/archive.yaml", ""))
			e.Findings = append(e.Findings, finding.Finding{Rule: "data-loss", Severity: finding.Danger, Unit: u.Key, Message: "would be pruned, and its volume with it", At: "db/archive.yaml:1"})
		}
		e.Findings = append(e.Findings, finding.Finding{Rule: "latest", Severity: finding.Info, Unit: u.Key, Message: fmt.Sprintf("image %d", i)})
		e.Set.Units = append(e.Set.Units, u)
	}
	return present.Plan{Entries: []present.Entry{e}}
}

// However large a plan is, the comment stays within what GitHub takes, keeps what
// is dangerous, and says what it leaves out.
func TestMarkdownFits(t *testing.T) {
	for _, n := range []int{1, 40, 1000} {
		got := present.Make(huge(n)).Markdown(present.Comment{Link: "https://ci.example/plan.html"})
		if len(got) >= 65_536 {
			t.Errorf("%d units: %d bytes", n, len(got))
		}
		for _, want := range []string{"data-loss", "PersistentVolumeClaim/db/archive"} {
			if !strings.Contains(got, want) {
				t.Errorf("%d units: %s is not told", n, want)
			}
		}
		told := strings.Contains(got, "has not room for all") && strings.Contains(got, "https://ci.example/plan.html")
		if told != (n > 1) {
			t.Errorf("%d units: says that it was cut: %v", n, told)
		}
		if strings.Count(got, "<details>") != strings.Count(got, "</details>") {
			t.Errorf("%d units: a section is left open", n)
		}
	}
	many := present.Plan{}
	for i := range 1000 {
		e := quiet()
		e.Path = fmt.Sprintf("clusters/%04d-%s", i, strings.Repeat("x", 200))
		many.Entries = append(many.Entries, e)
	}
	if got := present.Make(many).Markdown(present.Comment{}); len(got) >= 65_536 || !strings.Contains(got, "more clusters") {
		t.Errorf("1000 clusters: %d bytes", len(got))
	}
	if got := present.Make(huge(40)).Markdown(present.Comment{Limit: 3000}); len(got) > 3000 {
		t.Errorf("limit of 3000: %d bytes", len(got))
	}
}

// hostile is a plan that says text wherever a text of Git goes.
func hostile(text string) present.Plan {
	key := object.Key{Group: object.GroupKustomize, Kind: "Kustomization", Namespace: "flux-system", Name: text}
	ref := object.Ref{Key: object.Key{Kind: "ConfigMap", Namespace: "x", Name: text}, Version: "v1"}
	value := func(s string) string { return fmt.Sprintf("%q", strings.ToValidUTF8(s, "")) }
	origin := at(text, 3, fleet.Link{Kind: "base", File: text, Note: text})
	cm := parse("{apiVersion: v1, kind: ConfigMap}")
	cm.Object["spec"] = map[string]any{"containers": []any{map[string]any{"image": text}}}
	failed := change.Standing{State: fleet.Failed, Message: text}
	u := change.Unit{
		Key: key, Op: change.Change, Why: text, Before: ready, After: failed, Origin: origin,
		Release: &change.Release{Namespace: text, Name: text, Chart: [2]string{text, text}, Version: [2]string{"1", text}},
		Objects: []change.Object{
			{Ref: ref, Op: change.Change, Why: text, Origin: origin, Fields: []change.Field{
				field("/data/"+text, value(text), value(text+"\n"+text), origin), field("/"+text, "", value(text), origin),
			}},
			{Ref: ref, Op: change.Create, After: cm, Origin: origin},
		},
	}
	e := present.Entry{
		Path: text, Notes: []string{text},
		Set: change.Set{
			All: 1, Base: text, Head: text + "2", Units: []change.Unit{u},
			Causes:       []change.Cause{{Cause: screen.Cause{Unit: text, State: screen.Failed, Message: text, On: []string{text}, Blocking: []string{text}}}},
			Placeholders: []fleet.Placeholder{{Object: ref, Keys: []string{text}, By: []object.Key{key}}},
		},
		Findings: []finding.Finding{{Rule: "rule", Severity: finding.Danger, Unit: key, Object: ref, Message: text, At: text + ":3"}},
	}
	return present.Plan{Tool: text, Entries: []present.Entry{e, quiet()}}
}

var hostileTexts = []string{
	"`", "```", "```\n</details>\n# hi @acme/admins", "</details><script>alert(1)</script>", "@octocat", "[x](https://evil.example)",
	"![x](https://evil.example/a.png)", "a|b|c", "<!-- -->", "\x1b[31mred\x1b]0;title\a", "\u202eabc", "&lt;b&gt;", "#1 GH-1 acme/x#2",
	"https://evil.example www.evil.example", "\\", "\\`", "~~~", "- [ ] task", "1. x\n2. y", "$$x$$", "--", "]]>", "{{.}}", "' onmouseover='x", "\" x=\"",
}

var (
	fence = regexp.MustCompile("^(`{3,})(diff)?$")
	span  = regexp.MustCompile("(`+)")
	// entity is one of our own: in a text of Git the & would be one.
	entity = regexp.MustCompile(`&(#\d+|amp|lt|gt);`)
	ours   = regexp.MustCompile(`</?(details|summary|sub|b|code)>|<!-- leat:plan [\w/.-]* -->`)
)

// outside returns a comment without its fenced blocks and code spans, as
// CommonMark reads them, and without the tags that the comment is made with.
func outside(t *testing.T, text string) string {
	t.Helper()
	var out []string
	open := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := fence.FindStringSubmatch(line); m != nil && (open == "" || m[1] == open && m[2] == "") {
			if open == "" {
				open = m[1]
			} else {
				open = ""
			}
			continue
		}
		if open == "" {
			out = append(out, ours.ReplaceAllString(withoutSpans(line), ""))
		}
	}
	if open != "" {
		t.Error("a fence is left open")
	}
	return strings.Join(out, "\n")
}

func withoutSpans(line string) string {
	var out strings.Builder
	for line != "" {
		i := strings.IndexByte(line, '`')
		if i < 0 {
			break
		}
		if i > 0 && line[i-1] == '\\' {
			out.WriteString(line[:i+1])
			line = line[i+1:]
			continue
		}
		run := span.FindString(line[i:])
		end := closing(line[i+len(run):], run)
		if end < 0 {
			out.WriteString(line[:i+len(run)])
			line = line[i+len(run):]
			continue
		}
		out.WriteString(line[:i] + "CODE")
		line = line[i+2*len(run)+end:]
	}
	return out.String() + line
}

func closing(rest, run string) int {
	for _, m := range span.FindAllStringIndex(rest, -1) {
		if m[1]-m[0] == len(run) {
			return m[0]
		}
	}
	return -1
}

var forbidden = map[string]*regexp.Regexp{
	"a tag":          regexp.MustCompile(`<[a-zA-Z/!?]`),
	"a mention":      regexp.MustCompile(`@[\w-]`),
	"a reference":    regexp.MustCompile(`#\d`),
	"a link":         regexp.MustCompile(`[^\\]\]\(`),
	"an address":     regexp.MustCompile(`://|www\.`),
	"a control code": regexp.MustCompile(`[\x00-\x09\x0b-\x1f\x7f\x{202a}-\x{202e}]`),
	"markup":         regexp.MustCompile(`(^|[^\\*])\*[^* ]|~~|\$\$`),
}

func harmless(t *testing.T, text string) {
	t.Helper()
	got := present.Make(hostile(text)).Markdown(present.Comment{Name: text})
	if !utf8.ValidString(got) {
		t.Errorf("%q: not UTF-8", text)
	}
	if strings.Count(got, "<details>") != strings.Count(got, "</details>") && !strings.Contains(text, "details>") {
		t.Errorf("%q: sections do not match", text)
	}
	rest := entity.ReplaceAllString(strings.ReplaceAll(outside(t, got), "**", ""), "E")
	for what, re := range forbidden {
		if m := re.FindStringIndex(rest); m != nil {
			t.Errorf("%q: %s stands in the comment: %q", text, what, rest[max(m[0]-60, 0):min(m[1]+60, len(rest))])
		}
	}
}

func TestMarkdownIsHarmless(t *testing.T) {
	for _, text := range hostileTexts {
		harmless(t, text)
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(harmless)
}

func TestFenced(t *testing.T) {
	for text, want := range map[string]string{
		"a\n  b\n":                "```\na\n  b\n```\n",
		"```\n</details> ````x\n": "`````\n```\n</details> ````x\n`````\n",
		"a\u202eb\x1b[1m":         "```\na\\u202eb\\u001b[1m\n```\n",
	} {
		if got := present.Fenced(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
