package forgetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
)

// Strict is a local server that speaks as a service does, and refuses what the
// service would ignore: fields and parameters that its published API does not
// name are an error of the test.
type Strict struct {
	World *World
	// Token reads the token out of a request, as the service wants it.
	Token func(*http.Request) string
	// Refusal is the body of an answer that is no success.
	Refusal func(message string) any
	// PerPage is how many items a page has when nothing is asked, MaxPerPage at most.
	PerPage, MaxPerPage int
	// SizeParam names the parameter of a page's size; "" for per_page.
	SizeParam string
	// Check looks at every request, for headers that must be there; nil for nothing.
	Check func(*http.Request) error
	// Published is what the service publishes: every request and answer is held to it.
	// nil where nothing could be had.
	Published *Published

	t   *testing.T
	mux *http.ServeMux
}

// Start serves; the address is that of the server alone.
func (s *Strict) Start(t *testing.T) string {
	t.Helper()
	s.t = t
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return srv.URL
}

// Answer is what a handler returns: a status, and what is written as JSON. A list
// is served in pages.
type Answer struct {
	Status int
	Body   any
	Header http.Header
}

// OK answers 200.
func OK(body any) Answer { return Answer{Status: http.StatusOK, Body: body} }

// Refuse answers with a status and a message.
func Refuse(status int, message string) Answer { return Answer{Status: status, Body: refusal(message)} }

type refusal string

// Serve answers a request; in are the fields of its body.
type Serve func(r Request, in map[string]any) Answer

// OnPull answers a request about a pull request.
type OnPull func(p *Pull, r Request, in map[string]any) Answer

// One finds the pull request that a path names by {n}; absent is what the service says
// where there is none.
func (w *World) One(absent string, serve OnPull) Serve {
	return func(r Request, in map[string]any) Answer {
		if p := w.Pull(r.Int("n")); p != nil {
			return serve(p, r, in)
		}
		return Refuse(http.StatusNotFound, absent)
	}
}

// Rewrite changes the title and the body, where a request has them under these names.
func (p *Pull) Rewrite(in map[string]any, title, body string) {
	if v, ok := in[title].(string); ok {
		p.Title = v
	}
	if v, ok := in[body].(string); ok {
		p.Body = v
	}
}

// Handle serves a pattern of net/http. fields are the parameters of the query, and
// of the JSON body, that the service knows.
func (s *Strict) Handle(pattern string, fields []string, serve Serve) {
	if s.mux == nil {
		s.mux = http.NewServeMux()
		s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			s.t.Errorf("%s %s is not in the service's API", r.Method, r.URL)
			http.NotFound(w, r)
		})
	}
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		in, err := s.read(r, fields)
		if err != nil {
			s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
			s.write(w, r, Refuse(http.StatusUnprocessableEntity, err.Error()))
			return
		}
		s.World.Lock()
		defer s.World.Unlock()
		who := s.World.Who(s.Token(r))
		if who == "" {
			s.write(w, r, Refuse(http.StatusUnauthorized, "Bad credentials"))
			return
		}
		s.write(w, r, serve(Request{r, who}, in))
	})
}

// ServeHTTP implements http.Handler.
func (s *Strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Check != nil {
		if err := s.Check(r); err != nil {
			s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	if s.Published != nil {
		o, err := s.Published.Request(r)
		if err != nil {
			s.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		r = r.WithContext(context.WithValue(r.Context(), operationKey{}, o))
	}
	s.mux.ServeHTTP(w, r)
}

// operationKey is under what the published operation of a request is kept.
type operationKey struct{}

// held holds an answer to what is published.
func (s *Strict) held(r *http.Request, status int, body []byte) []byte {
	o, _ := r.Context().Value(operationKey{}).(*Operation)
	if o == nil {
		return body
	}
	out, err := o.Answer(status, body)
	if err != nil {
		s.t.Errorf("%s %s: %v\n%.300s", r.Method, r.URL, err, body)
	}
	return out
}

// read collects the body's fields, and checks them and the query.
func (s *Strict) read(r *http.Request, fields []string) (map[string]any, error) {
	for name := range r.URL.Query() {
		if name != s.sizeParam() && name != "page" && !slices.Contains(fields, name) {
			return nil, fmt.Errorf("the parameter %q is not in the service's API", name)
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) == 0 {
		return nil, err
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return nil, fmt.Errorf("the body is %q, want JSON", r.Header.Get("Content-Type"))
	}
	in := map[string]any{}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		return in, nil
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	for name := range in {
		if !slices.Contains(fields, name) {
			return nil, fmt.Errorf("the field %q is not in the service's API", name)
		}
	}
	return in, nil
}

func (s *Strict) sizeParam() string {
	if s.SizeParam != "" {
		return s.SizeParam
	}
	return "per_page"
}

func (s *Strict) write(w http.ResponseWriter, r *http.Request, a Answer) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if text, ok := a.Body.(refusal); ok {
		a.Body = s.Refusal(string(text))
	}
	if list, ok := a.Body.([]any); ok {
		a.Body = s.page(w, r, list)
	}
	if a.Body == nil {
		s.held(r, a.Status, nil)
		w.WriteHeader(a.Status)
		return
	}
	b, err := json.Marshal(a.Body)
	if err != nil {
		s.t.Error(err)
	}
	b = s.held(r, a.Status, b)
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(b))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if r.Method == http.MethodGet && a.Status == http.StatusOK {
		w.Header().Set("Etag", etag)
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.WriteHeader(a.Status)
	w.Write(b)
}

// page cuts a page out and says where the next is, in a header Link.
func (s *Strict) page(w http.ResponseWriter, r *http.Request, list []any) []any {
	size := number(r, s.sizeParam(), s.PerPage)
	if size > s.MaxPerPage {
		size = s.MaxPerPage
	}
	at := number(r, "page", 1)
	from, to := min(len(list), (at-1)*size), min(len(list), at*size)
	if to < len(list) {
		next := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path}
		q := r.URL.Query()
		q.Set("page", strconv.Itoa(at+1))
		next.RawQuery = q.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next", <%s>; rel="last"`, &next, &next))
	}
	return append([]any{}, list[from:to]...)
}

func number(r *http.Request, name string, otherwise int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 1 {
		return otherwise
	}
	return n
}

// Int reads a number out of a path.
func (r Request) Int(name string) int {
	n, _ := strconv.Atoi(r.PathValue(name))
	return n
}

// Text reads a field of a body.
func Text(in map[string]any, name string) string {
	s, _ := in[name].(string)
	return s
}

// Texts reads a field of a body that is a list of texts.
func Texts(in map[string]any, name string) []string {
	var out []string
	list, _ := in[name].([]any)
	for _, v := range list {
		s, _ := v.(string)
		out = append(out, s)
	}
	return out
}

// List makes a page's worth of anything.
func List[T any](items []T, write func(T) any) []any {
	out := make([]any, 0, len(items))
	for _, i := range items {
		out = append(out, write(i))
	}
	return out
}

// Object is a JSON object.
type Object = map[string]any
