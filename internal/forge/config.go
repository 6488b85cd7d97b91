package forge

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/leat-dev/leat/internal/secret"
	"github.com/leat-dev/leat/internal/source/fault"
)

// Config says which repository is meant, and who asks.
type Config struct {
	URL       string            // of the repository, as people see it: https://git.example.com/team/fleet
	API       string            // of the forge, where it cannot be derived from URL
	User      string            // where a token needs one beside it (Bitbucket Cloud, Azure DevOps)
	Token     secret.Value      // sent to the host of URL and API, to no other
	Bots      []string          // logins that are machines, for forges that do not tell
	Transport http.RoundTripper // nil for http.DefaultTransport
	Now       func() time.Time  // nil for the clock
}

// Location is a repository's address taken apart.
type Location struct {
	Base  *url.URL // scheme and host, and a path before the repository's if the forge has one
	Owner string   // may hold slashes (groups of GitLab)
	Name  string
}

// Path returns <owner>/<name>.
func (l Location) Path() string { return l.Owner + "/" + l.Name }

// Locate takes c.URL apart. The repository is the last element of the path, the
// owner what stands before it.
func (c Config) Locate() (Location, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Location{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("forge.url is no http(s) address of a repository; want https://host/owner/name")}
	}
	path := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	at := strings.LastIndexByte(path, '/')
	if at <= 0 {
		return Location{}, &fault.Error{Class: fault.Invalid, Err: fmt.Errorf("forge.url %s names no repository; want %s://%s/owner/name", u.Redacted(), u.Scheme, u.Host)}
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host}
	return Location{Base: base, Owner: path[:at], Name: path[at+1:]}, nil
}

// Address returns c.API, or the address that was derived from c.URL.
func (c Config) Address(derived *url.URL) (*url.URL, error) {
	if c.API == "" {
		return derived, nil
	}
	u, err := url.Parse(c.API)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, &fault.Error{Class: fault.Invalid, Err: errors.New("forge.api is no http(s) address; want https://host/path")}
	}
	u.User = nil // who asks is said by the token
	return u, nil
}

// Page is the address of the repository's page, as people see it.
func (c Config) Page() string { return strings.TrimSuffix(c.URL, ".git") }

// IsBot tells whether a login is among c.Bots.
func (c Config) IsBot(login string) bool {
	return slices.ContainsFunc(c.Bots, func(b string) bool { return strings.EqualFold(b, login) })
}
