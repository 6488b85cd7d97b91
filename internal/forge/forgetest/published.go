package forgetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Published is what a service publishes of its API, reduced to the operations that
// Leat uses (tools/openapi). It says more than the service's word: a name that the
// document does not have is an error, in what is sent and in what is answered.
type Published struct {
	// Path makes a path of the document of one of the server; nil for the same.
	Path func(string) string
	// NoNulls tells that the document says of no answer what may be null (Swagger 2 has
	// no word for it): null is as good as nothing.
	NoNulls bool
	// Paging are parameters of every list, which the document describes in one place.
	Paging []string
	// Wrapped names the field in which the service gives a list that the document
	// describes as one; "" where it is not wrapped.
	Wrapped string
	// Besides are paths that the document does not have at all, and why they are asked.
	Besides map[string]string

	operations map[string]*Operation
	byLength   []*Operation // the most exact first
	document   map[string]any
	source     []byte
	but        Unpublished
	heard      *heard // nil to keep nothing
}

// Operation is one of a Published.
type Operation struct {
	Name string // METHOD /path

	of       *Published
	method   string
	path     *regexp.Regexp
	literal  int // bytes of the path that are no parameters
	query    map[string]*jsonschema.Schema
	required []string
	body     *jsonschema.Schema
	answers  map[string]*jsonschema.Schema // nil for no body
	raw      map[string]any
}

// Unpublished is where a document is known to say too little or something wrong, and
// what the service does instead. What stands there in the document does not count:
//
//	"definitions > RestPullRequest > properties > author": "stands in every answer"
type Unpublished map[string]string

// ReadPublished reads a document that tools/openapi wrote.
func ReadPublished(t testing.TB, document []byte, but Unpublished) *Published {
	t.Helper()
	p, err := readPublished(document, but)
	if err != nil {
		t.Fatalf("read the published document: %v", err)
	}
	p.heard = &heard{}
	return p
}

func readPublished(document []byte, but Unpublished) (*Published, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return nil, err
	}
	p := &Published{document: doc.(map[string]any), operations: map[string]*Operation{}, source: document, but: but}
	for at := range but {
		if err := loosen(p.document, strings.Split(at, " > ")); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	shut(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(resource, doc); err != nil {
		return nil, err
	}
	operations, _ := p.document["operations"].(map[string]any)
	for name, raw := range operations {
		o, err := p.operation(c, name, raw.(map[string]any))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.operations[name] = o
		p.byLength = append(p.byLength, o)
	}
	// What is more exact stands first: /branches/x/protection is no branch.
	slices.SortFunc(p.byLength, func(a, b *Operation) int { return b.literal - a.literal })
	return p, nil
}

const resource = "published.json"

// loosen lets a place of the document be anything.
func loosen(at map[string]any, path []string) error {
	for _, name := range path[:len(path)-1] {
		inner, ok := at[name].(map[string]any)
		if !ok {
			return fmt.Errorf("there is no %s", name)
		}
		at = inner
	}
	at[path[len(path)-1]] = map[string]any{}
	return nil
}

// shut closes every object whose names are known.
func shut(v any) {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			shut(inner)
		}
	case map[string]any:
		props, isObject := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; isObject && !said && v["type"] != nil {
			v["additionalProperties"] = false
		}
		for name, inner := range v {
			if name != "properties" && name != "enum" {
				shut(inner)
			}
		}
		for _, inner := range props {
			shut(inner)
		}
	}
}

var parameter = regexp.MustCompile(`\\\{[^}]*?(\\\.\\\.\\\.)?\\\}`)

func (p *Published) operation(c *jsonschema.Compiler, name string, raw map[string]any) (*Operation, error) {
	method, path, _ := strings.Cut(name, " ")
	o := &Operation{Name: name, of: p, method: method, raw: raw, query: map[string]*jsonschema.Schema{}, answers: map[string]*jsonschema.Schema{}}
	expr := parameter.ReplaceAllStringFunc(regexp.QuoteMeta(path), func(at string) string {
		if strings.Contains(at, `\.\.\.`) {
			return `.+`
		}
		return `[^/]+`
	})
	o.path, o.literal = regexp.MustCompile("^"+expr+"$"), len(parameter.ReplaceAllString(regexp.QuoteMeta(path), ""))
	schema := func(at ...string) (*jsonschema.Schema, error) {
		pointer := "/operations/" + escaped(name)
		for _, a := range at {
			pointer += "/" + escaped(a)
		}
		return c.Compile(resource + "#" + pointer)
	}
	var err error
	query, _ := raw["query"].(map[string]any)
	for q := range query {
		if o.query[q], err = schema("query", q); err != nil {
			return nil, err
		}
	}
	required, _ := raw["required"].([]any)
	for _, r := range required {
		o.required = append(o.required, r.(string))
	}
	if raw["body"] != nil {
		if o.body, err = schema("body"); err != nil {
			return nil, err
		}
	}
	answers, _ := raw["answers"].(map[string]any)
	for status, s := range answers {
		o.answers[status] = nil
		if s != nil {
			if o.answers[status], err = schema("answers", status); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// escaped is an element of a JSON pointer in the fragment of an address.
func escaped(s string) string {
	return url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
}

// Request finds the operation of a request, and checks path, query and body. The body
// can be read again afterwards.
func (p *Published) Request(r *http.Request) (*Operation, error) {
	o, err := p.find(r)
	if o == nil {
		return nil, err
	}
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return o, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p.hear(r, body)
	return o, errors.Join(o.checkQuery(r.URL.Query()), o.checkBody(body))
}

func (p *Published) find(r *http.Request) (*Operation, error) {
	path := r.URL.EscapedPath()
	if p.Path != nil {
		path = p.Path(path)
	}
	for _, o := range p.byLength {
		if o.method == r.Method && o.path.MatchString(path) {
			return o, nil
		}
	}
	if p.Besides[path] != "" {
		return nil, nil
	}
	return nil, fmt.Errorf("%s %s is none of the operations of the published document", r.Method, path)
}

func (o *Operation) checkQuery(q url.Values) error {
	for _, name := range o.required {
		if !q.Has(name) {
			return fmt.Errorf("%s: the parameter %q is required", o.Name, name)
		}
	}
	for name, values := range q {
		s, known := o.query[name]
		if !known && o.method == http.MethodGet && slices.Contains(o.of.Paging, name) {
			continue
		}
		if !known {
			return fmt.Errorf("%s: the parameter %q is not in the published document", o.Name, name)
		}
		if err := fits(s, values); err != nil {
			return fmt.Errorf("%s: the parameter %s=%q: %w", o.Name, name, values, err)
		}
	}
	return nil
}

// fits tries a parameter as every type that its text can stand for.
func fits(s *jsonschema.Schema, values []string) error {
	err := s.Validate(values[0])
	if n, isNumber := strconv.ParseFloat(values[0], 64); err != nil && isNumber == nil {
		err = s.Validate(n)
	}
	if b, isBool := strconv.ParseBool(values[0]); err != nil && isBool == nil {
		err = s.Validate(b)
	}
	if err == nil {
		return nil
	}
	var list []any
	for _, v := range values {
		list = append(list, v)
	}
	if s.Validate(list) == nil {
		return nil
	}
	return err
}

func (o *Operation) checkBody(body []byte) error {
	switch {
	case len(body) == 0 && o.raw["bodyRequired"] == true:
		return fmt.Errorf("%s: there is no body, the published document wants one", o.Name)
	case len(body) == 0:
		return nil
	case o.body == nil:
		return fmt.Errorf("%s: there is a body, the published document has none", o.Name)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = o.body.Validate(v)
	}
	if err != nil {
		return fmt.Errorf("%s: the body: %w", o.Name, err)
	}
	return nil
}

// Answer checks an answer, and returns it with what the document says is always there
// and the test did not care to make up. Refusals that the document does not describe
// are left as they are.
func (o *Operation) Answer(status int, body []byte) ([]byte, error) {
	o.of.hearAnswer(o, status, body)
	s, listed := o.answers[strconv.Itoa(status)]
	switch {
	case s == nil && status >= 400:
		return body, nil
	case !listed:
		return body, fmt.Errorf("%s: the published document has no answer %d", o.Name, status)
	case s == nil && len(body) > 0:
		return body, fmt.Errorf("%s: the answer %d has a body, the published document has none", o.Name, status)
	case s == nil || len(body) == 0:
		return body, nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return body, err
	}
	raw := o.raw["answers"].(map[string]any)[strconv.Itoa(status)]
	if o.of.NoNulls {
		v = withoutNulls(v)
	}
	list, wrapped := asObject(v)[o.of.Wrapped]
	if wrapped = wrapped && asObject(raw)["type"] == "array"; wrapped {
		v, list = list, v
	}
	v = o.of.complete(raw.(map[string]any), v)
	if err := s.Validate(v); err != nil {
		return body, fmt.Errorf("%s: the answer %d: %w", o.Name, status, err)
	}
	if wrapped {
		asObject(list)[o.of.Wrapped], v = v, list
	}
	return json.Marshal(v)
}

// Watch holds what goes through a transport to the document: for a test against the
// service itself.
func (p *Published) Watch(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		o, err := p.Request(r)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		res, err := next.RoundTrip(r)
		if err != nil || o == nil || res.StatusCode == http.StatusNotModified {
			return res, err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(body))
		if _, err := o.Answer(res.StatusCode, body); err != nil {
			t.Errorf("%s %s: %v\n%.300s", r.Method, r.URL, err, body)
		}
		return res, nil
	})
}
