package show

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func environments() Envs {
	hour := time.Hour
	return Envs{
		{Name: "dev", Branch: "main", Directory: "dev", Commit: "0123456", Subject: "more | of <it>", Age: 3 * hour},
		{
			Name: "prod", Branch: "release", Follows: "dev", Commit: "89abcde", Subject: "quick fix\x1b[2J", Age: 49 * hour, Local: true,
			Commits: 5, Files: 2, Own: 1, Drifted: 1, Subjects: []string{"newest @all", "older", "oldest"},
			Fixes: 2, Main: "main", Since: 30 * hour, Who: []string{"Ann", "Bea"}, Closed: "frozen until 2027-01-03 (end of year)",
			Next:  time.Date(2027, 1, 4, 8, 0, 0, 0, time.UTC),
			Pulls: []Pull{{7, "Promote [dev](http://evil)", "https://git.example.com/fleet/pulls/7"}, {8, "odd", "javascript:alert(1)"}},
		},
		{Name: "lab", Branch: "lab", Follows: "prod", Problem: "there is no branch \"lab\""},
		{Name: "same", Branch: "same", Follows: "dev", Commit: "4567890", Subject: "as it is", Age: time.Minute},
	}
}

func TestEnvs(t *testing.T) {
	all := environments()
	var page bytes.Buffer
	if err := all.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"env.txt": all.Text(Style{}), "env-colour.txt": all.Text(Style{Colour: true}), "env.md": all.Markdown(), "env.html": page.String()} {
		golden(t, name, got)
		if strings.Contains(got, "javascript:") && name != "env.txt" && name != "env-colour.txt" || strings.Contains(got, "\x1b[2J") {
			t.Errorf("%s bears what a repository or a forge wrote as it is", name)
		}
	}
	if strings.Contains(page.String(), "<it>") || strings.Contains(page.String(), "src=") {
		t.Error("the page holds markup of a subject, or an address")
	}
}
