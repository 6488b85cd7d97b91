package rest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/leat-dev/leat/internal/forge"
	"github.com/leat-dev/leat/internal/source/fault"
)

// List is a list that a service gives in parts.
type List[T any] struct {
	Client *Client
	Path   string
	Query  url.Values // of the first part
	// Read reads a part: its items, and the query of the next part, nil at the end.
	Read func(query url.Values) (items []T, next url.Values, err error)
}

// All reads the whole list. One of more than forge.MaxListed items is TooLarge: who
// decides over a change by a part of what is said of it decides wrong.
func (l List[T]) All() ([]T, error) {
	list, more, err := l.read()
	if err == nil && more {
		err = l.Client.Fault(fault.TooLarge, fmt.Errorf("GET %s: the list has more than %d items, and a part of it says too little", l.Path, forge.MaxListed))
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Newest reads at most forge.MaxListed items, of a list with the newest first.
func (l List[T]) Newest() ([]T, error) {
	list, _, err := l.read()
	return list, err
}

func (l List[T]) read() (out []T, more bool, err error) {
	for query := l.Query; query != nil; {
		items, next, err := l.Read(query)
		if err != nil {
			return nil, false, err
		}
		out = append(out, items...)
		if len(out) > forge.MaxListed || len(out) == forge.MaxListed && next != nil {
			return out[:forge.MaxListed], true, nil
		}
		if query = next; len(items) == 0 {
			break
		}
	}
	return out, false, nil
}

// Linked is a list whose parts are named by the header Link (RFC 8288).
func Linked[T any](ctx context.Context, c *Client, path string, query url.Values) List[T] {
	if query == nil {
		query = url.Values{}
	}
	return List[T]{Client: c, Path: path, Query: query, Read: func(query url.Values) ([]T, url.Values, error) {
		var items []T
		a, err := c.Do(ctx, Call{Method: http.MethodGet, Path: path, Query: query, Into: &items})
		if err != nil {
			return nil, nil, err
		}
		next, err := c.NextQuery(path, nextPage(a.Header))
		return items, next, err
	}}
}

// All reads a whole list whose parts are named by the header Link.
func All[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	return Linked[T](ctx, c, path, query).All()
}

// NextQuery is the query of a link to the next part of a list, nil for no link. The path
// stays ours, and so does the host: some forges write the address that they believe to
// have, and no link may lead a token elsewhere.
func (c *Client) NextQuery(path, link string) (url.Values, error) {
	if link == "" {
		return nil, nil
	}
	u, err := url.Parse(link)
	if err != nil {
		return nil, c.Fault(fault.Unreachable, fmt.Errorf("GET %s: the link to the next page cannot be read", path))
	}
	return u.Query(), nil
}

// nextPage finds the link with rel="next".
func nextPage(h http.Header) string {
	for _, value := range h.Values("Link") {
		for link := range strings.SplitSeq(value, ",") {
			target, params, _ := strings.Cut(link, ";")
			target = strings.TrimSpace(target)
			if strings.Contains(params, `rel="next"`) && strings.HasPrefix(target, "<") && strings.HasSuffix(target, ">") {
				return target[1 : len(target)-1]
			}
		}
	}
	return ""
}

// Query is a query of names and values in turn; a name without a value is left out.
func Query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// Escape makes one element of a path of a text.
func Escape(s string) string { return url.PathEscape(s) }

// Elements escapes a text element by element and leaves its slashes.
func Elements(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
