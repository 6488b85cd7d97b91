package edit

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// replays are commits that bots made, beside the checkout for those who have them.
const replays = "../../../shared/fleets/replay/"

type replayed struct {
	Commit, Message string
	Files           []struct{ Path, Before, After string }
}

func replay(t *testing.T, name string) []replayed {
	t.Helper()
	f, err := os.Open(replays + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no %s here: it is not replayed", replays+name)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []replayed
	dec := json.NewDecoder(zip)
	for {
		var r replayed
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
}

// exceptions reads a committed list: commit, reason.
func exceptions(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if commit, reason, ok := strings.Cut(strings.TrimSpace(line), " "); ok && commit != "#" {
			out[commit] = reason
		}
	}
	return out
}

var botMessage = regexp.MustCompile(`^Updating file at (\S+) setting (\.\S+) to (\S+)$`)

// What the release bot did with yq is what Set does, but for what yq does to the
// rest of a file.
func TestReplayReleaseBot(t *testing.T) {
	known := exceptions(t, "testdata/release-bot-exceptions.txt")
	seen := map[string]bool{}
	commits := replay(t, "release-bot.jsonl.gz")
	for _, c := range commits {
		m := botMessage.FindStringSubmatch(strings.TrimSpace(c.Message))
		if m == nil {
			t.Errorf("%s: unknown message %q", c.Commit[:8], c.Message)
			continue
		}
		path, err := ParsePath(m[2])
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range c.Files {
			if !slices.Contains(strings.Split(m[1], ","), f.Path) {
				t.Errorf("%s: changed %s, the message says %s", c.Commit[:8], f.Path, m[1])
			}
			got, _, err := Apply([]byte(f.Before), Change{Path: path, Value: m[3], Create: true})
			if err != nil {
				t.Errorf("%s: %v", c.Commit[:8], err)
				continue
			}
			if string(got) != f.After {
				seen[c.Commit[:8]] = true
				if known[c.Commit[:8]] == "" {
					t.Errorf("%s: got\n%s\nwant\n%s", c.Commit[:8], got, f.After)
				}
			}
			if got, err := Get([]byte(f.After), path); err != nil || len(got) != 1 || got[0].Text != m[3] {
				t.Errorf("%s: Get of the result: %v %v, want %s", c.Commit[:8], got, err, m[3])
			}
		}
	}
	for commit, reason := range known {
		if !seen[commit] {
			t.Errorf("%s is replayed exactly, strike it off the list (%s)", commit, reason)
		}
	}
	t.Logf("%d commits, %d with side effects of yq", len(commits), len(seen))
}

// Every value with a marker of image automation, set to what the bot made of it.
func TestReplayImageAutomation(t *testing.T) {
	known := exceptions(t, "testdata/image-automation-exceptions.txt")
	seen := map[string]bool{}
	files, values := 0, 0
	for _, c := range replay(t, "image-automation-v2.jsonl.gz") {
		for _, f := range c.Files {
			after, err := Values([]byte(f.After))
			if err != nil {
				t.Errorf("%s: %s: %v", c.Commit[:8], f.Path, err)
				continue
			}
			var changes []Change
			for _, v := range after {
				if strings.Contains(v.Comment, `"$imagepolicy"`) {
					changes = append(changes, Change{Path: v.Path, Value: v.Text})
				}
			}
			got, _, err := Apply([]byte(f.Before), changes...)
			if err != nil {
				t.Errorf("%s: %s: %v", c.Commit[:8], f.Path, err)
				continue
			}
			files, values = files+1, values+len(changes)
			if string(got) != f.After {
				seen[c.Commit[:8]] = true
				if known[c.Commit[:8]] == "" {
					t.Errorf("%s: %s differs", c.Commit[:8], f.Path)
				}
			}
		}
	}
	for commit, reason := range known {
		if !seen[commit] {
			t.Errorf("%s is replayed exactly, strike it off the list (%s)", commit, reason)
		}
	}
	t.Logf("%d files, %d values, %d with side effects", files, values, len(seen))
}
