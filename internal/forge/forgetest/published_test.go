package forgetest

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

func githubs(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../github/githubtest/testdata/published.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The document is what finds a wrong name, type or word; a checker that lets them pass
// would make every server look right.
func TestPublished(t *testing.T) {
	p := ReadPublished(t, githubs(t), nil)
	const pulls = "/repos/team/fleet/pulls"
	for name, c := range map[string]struct{ method, address, body, says string }{
		"as published":            {"GET", pulls + "?state=open&per_page=100", "", ""},
		"another parameter":       {"GET", pulls + "?status=open", "", `the parameter "status" is not in the published document`},
		"another word":            {"GET", pulls + "?state=opened", "", "the parameter state"},
		"text for a number":       {"GET", pulls + "?per_page=many", "", "the parameter per_page"},
		"another path":            {"GET", pulls + "/7/reviewers", "", "none of the operations"},
		"another method":          {"PUT", pulls, "{}", "none of the operations"},
		"a body":                  {"POST", pulls, `{"head":"a","base":"b","title":"t","body":"x"}`, ""},
		"another field":           {"POST", pulls, `{"head":"a","base":"b","title":"t","description":"x"}`, "description"},
		"a field is missing":      {"POST", pulls, `{"head":"a","title":"t"}`, "base"},
		"another type":            {"POST", pulls, `{"head":"a","base":7,"title":"t"}`, "base"},
		"no body":                 {"POST", pulls, ``, "wants one"},
		"a body too much":         {"GET", pulls, `{}`, "has none"},
		"a branch with a slash":   {"GET", "/repos/team/fleet/branches/a/b", "", ""},
		"protection is no branch": {"GET", "/repos/team/fleet/branches/a/protection", "", ""},
	} {
		r, err := http.NewRequest(c.method, "http://localhost"+c.address, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		o, err := p.Request(r)
		if got := errorText(err); c.says == "" && err != nil || !strings.Contains(got, c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
		if b, err := io.ReadAll(r.Body); string(b) != c.body || err != nil {
			t.Errorf("%s: the body is %q, %v afterwards", name, b, err)
		}
		if strings.HasPrefix(name, "protection") && !strings.HasSuffix(o.Name, "/protection") {
			t.Errorf("%s: got %s", name, o.Name)
		}
	}
}

func TestPublishedAnswers(t *testing.T) {
	p := ReadPublished(t, githubs(t), nil)
	r, err := http.NewRequest("GET", "http://localhost/repos/team/fleet/activity", nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.Request(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status     int
		body, says string
	}{
		"completed":      {200, `[{"ref":"a","activity_type":"push"}]`, ""},
		"another name":   {200, `[{"branch":"a","activity_type":"push"}]`, "branch"},
		"another word":   {200, `[{"ref":"a","activity_type":"new"}]`, "activity_type"},
		"another type":   {200, `[{"ref":1,"activity_type":"push"}]`, "ref"},
		"another status": {201, `[]`, "no answer 201"},
		"a refusal":      {422, `{"message":"no","documentation_url":"x"}`, ""},
		"another one":    {422, `{"says":"no"}`, "says"},
		"not described":  {418, `{"says":"no"}`, ""},
	} {
		got, err := o.Answer(c.status, []byte(c.body))
		if says := errorText(err); c.says == "" && err != nil || !strings.Contains(says, c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
		if name == "completed" && !strings.Contains(string(got), `"node_id":""`) {
			t.Errorf("%s: got %s, want what is required added", name, got)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
