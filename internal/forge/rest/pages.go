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

// All reads a list over its pages, which the header Link names (RFC 8288), at most
// forge.MaxListed items.
func All[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	return Until(ctx, c, Call{Path: path, Query: query}, func(T) bool { return false })
}

// Until is All that ends after the first item for which last is true; that one is
// part of the list.
func Until[T any](ctx context.Context, c *Client, call Call, last func(T) bool) ([]T, error) {
	call.Method = http.MethodGet
	var out []T
	for {
		var page []T
		call.Into = &page
		a, err := c.Do(ctx, call)
		if err != nil {
			return nil, err
		}
		for _, item := range page {
			out = append(out, item)
			if last(item) || len(out) >= forge.MaxListed {
				return out, nil
			}
		}
		next := nextPage(a.Header)
		if next == "" || len(page) == 0 {
			return out, nil
		}
		if call, err = c.follow(call, next); err != nil {
			return nil, err
		}
	}
}

// follow takes a link of the forge's, if it leads to the same host and path. Some
// forges write the address that they believe to have: only its query counts.
func (c *Client) follow(call Call, next string) (Call, error) {
	u, err := url.Parse(next)
	if err != nil {
		return call, c.fault(fault.Unreachable, fmt.Errorf("GET %s: the link to the next page cannot be read", call.Path))
	}
	call.Query = u.Query()
	return call, nil
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
