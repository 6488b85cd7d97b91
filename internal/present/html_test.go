package present_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/leat-dev/leat/internal/present"
)

func page(t testing.TB, doc present.Document) string {
	t.Helper()
	var out bytes.Buffer
	if err := doc.HTML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The golden leaves out style and script, which stand in page/.
func TestHTML(t *testing.T) {
	text := regexp.MustCompile(`(?s)<style>.*</style>|<script>.*</script>|sha256-[^']*`).ReplaceAllString(page(t, fixture(t)), "…")
	golden(t, "plan.html", text)
}

// template is the elements and attributes that the page is made of.
const template = ` html head meta title style body header span h1 div input button nav a main section p table thead tbody tr th td
	ul li b code details summary h2 small footer dialog dl dt dd form script pre
	lang charset name content http-equiv class aria-hidden id type placeholder aria-label autocomplete role data-severity aria-pressed title
	href data-unit scope data-text open method `

// made reports what a text of the fleet made on the page beside text.
func made(t *testing.T, text string) {
	t.Helper()
	scripts := 0
	tokens := html.NewTokenizer(strings.NewReader(page(t, present.Make(hostile(text)))))
	for tokens.Next() != html.ErrorToken {
		token := tokens.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			if token.Type == html.CommentToken {
				t.Errorf("%q makes a comment", text)
			}
			continue
		}
		words := []string{token.Data}
		for _, a := range token.Attr {
			words = append(words, a.Key)
			if a.Key == "href" && !strings.HasPrefix(a.Val, "#c") {
				t.Errorf("%q makes a link to %s", text, a.Val)
			}
		}
		for _, word := range words {
			if !slices.Contains(strings.Fields(template), word) {
				t.Errorf("%q makes %s", text, word)
			}
		}
		if token.Data == "script" {
			scripts++
		}
	}
	if scripts != 1 {
		t.Errorf("%q: %d scripts", text, scripts)
	}
}

func TestHTMLIsHarmless(t *testing.T) {
	for _, text := range hostileTexts {
		made(t, text)
	}
}

func FuzzHTML(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text)
	}
	f.Fuzz(made)
}

func TestPageNeedsNothingElse(t *testing.T) {
	got := page(t, fixture(t))
	for _, no := range []string{"http://", "src=", "@import", "url("} {
		if strings.Contains(got, no) {
			t.Errorf("the page holds %s", no)
		}
	}
}
