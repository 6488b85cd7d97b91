package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/leat-dev/leat/internal/world"
)

// missFor is how long a kind that the server did not know is not asked for
// again. Short, since a definition that was just applied becomes served within
// moments; long enough that a thousand objects of an unknown kind cost little.
const missFor = 250 * time.Millisecond

// discovery knows how kinds are served. It learns group by group, when a kind
// of the group is first asked for, and asks again when a kind is missing.
type discovery struct {
	fetch func(ctx context.Context, path string, into any) error
	now   func() time.Time

	mu     sync.Mutex
	groups map[string]*group
	all    []world.Mapping // of every group; nil: not asked for, or something changed
}

// group is what is known of one API group.
type group struct {
	turn chan struct{} // holds one token: who has it may ask the server

	mu       sync.Mutex
	versions []string                            // in the order of preference; nil: not asked yet
	kinds    map[string]map[string]world.Mapping // by version, by kind
	missed   map[string]time.Time                // by version/kind: when it was last found missing
}

func newDiscovery(fetch func(context.Context, string, any) error, now func() time.Time) *discovery {
	return &discovery{fetch: fetch, now: now, groups: map[string]*group{}}
}

func (d *discovery) group(name string) *group {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.groups[name]
	if !ok {
		g = &group{
			turn:  make(chan struct{}, 1),
			kinds: map[string]map[string]world.Mapping{}, missed: map[string]time.Time{},
		}
		g.turn <- struct{}{}
		d.groups[name] = g
	}
	return g
}

func (d *discovery) forget(group string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.groups, group)
	d.all = nil
}

func (d *discovery) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.groups)
	d.all = nil
}

// mapping answers from memory, else asks the server: one caller at a time per
// group, and the others take what it learned.
func (d *discovery) mapping(ctx context.Context, gvk schema.GroupVersionKind) (world.Mapping, error) {
	g := d.group(gvk.Group)
	if m, known, err := g.lookup(gvk, d.now()); known {
		return m, err
	}
	select {
	case <-g.turn:
	case <-ctx.Done():
		return world.Mapping{}, ctx.Err()
	}
	defer func() { g.turn <- struct{}{} }()
	if m, known, err := g.lookup(gvk, d.now()); known {
		return m, err
	}
	m, err := d.ask(ctx, g, gvk)
	if err != nil {
		return m, fmt.Errorf("discover %s: %w", gvk.GroupKind(), err)
	}
	if m.Resource == "" {
		g.note(gvk, d.now())
		return m, noMatch(gvk)
	}
	return m, nil
}

// lookup answers from memory. A miss that is young is an answer too.
func (g *group) lookup(gvk schema.GroupVersionKind, now time.Time) (m world.Mapping, known bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	versions := g.versions
	if gvk.Version != "" {
		versions = []string{gvk.Version}
	}
	for _, v := range versions {
		if m, ok := g.kinds[v][gvk.Kind]; ok {
			return m, true, nil
		}
		if g.kinds[v] == nil {
			break // a version that is preferred and not known yet
		}
	}
	if at, ok := g.missed[gvk.Version+"/"+gvk.Kind]; ok && now.Sub(at) < missFor {
		return m, true, noMatch(gvk)
	}
	return m, false, nil
}

func (g *group) note(gvk schema.GroupVersionKind, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.missed[gvk.Version+"/"+gvk.Kind] = now
}

// ask learns the version of gvk, or the group and its versions in the order of
// preference until one has the kind. No mapping and no error: it has none.
func (d *discovery) ask(ctx context.Context, g *group, gvk schema.GroupVersionKind) (world.Mapping, error) {
	versions := []string{gvk.Version}
	if gvk.Version == "" {
		var err error
		if versions, err = d.askGroup(ctx, g, gvk.Group); err != nil {
			return world.Mapping{}, err
		}
	}
	for _, v := range versions {
		kinds, err := d.askVersion(ctx, g, schema.GroupVersion{Group: gvk.Group, Version: v})
		if err != nil {
			return world.Mapping{}, err
		}
		if m, ok := kinds[gvk.Kind]; ok {
			return m, nil
		}
	}
	return world.Mapping{}, nil
}

func (d *discovery) askGroup(ctx context.Context, g *group, name string) ([]string, error) {
	versions := []string{"v1"} // the core group has no document of its own
	if name != "" {
		var doc metav1.APIGroup
		if err := d.fetch(ctx, "/apis/"+name, &doc); err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		versions = preferredFirst(doc)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.versions = versions
	return versions, nil
}

func preferredFirst(g metav1.APIGroup) []string {
	versions := make([]string, 0, len(g.Versions))
	if v := g.PreferredVersion.Version; v != "" {
		versions = append(versions, v)
	}
	for _, v := range g.Versions {
		if v.Version != g.PreferredVersion.Version {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

func (d *discovery) askVersion(ctx context.Context, g *group, gv schema.GroupVersion) (map[string]world.Mapping, error) {
	var doc metav1.APIResourceList
	if err := d.fetch(ctx, groupVersionPath(gv), &doc); err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	kinds := make(map[string]world.Mapping, len(doc.APIResources))
	for _, r := range doc.APIResources {
		if strings.Contains(r.Name, "/") {
			continue // a subresource
		}
		kinds[r.Kind] = world.Mapping{GVK: gv.WithKind(r.Kind), Resource: r.Name, Namespaced: r.Namespaced}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(kinds) > 0 {
		g.kinds[gv.Version] = kinds
	} else {
		delete(g.kinds, gv.Version)
	}
	return kinds, nil
}

// discover reads a discovery document with the rights of the world's own user.
func (c *conn) discover(ctx context.Context, path string, into any) error {
	start := c.options.Now()
	body, err := result(c.rest.Get().MaxRetries(maxRetries).AbsPath(path).Do(ctx))
	if c.options.Observe != nil {
		c.options.Observe(Request{Verb: "discover", Took: c.options.Now().Sub(start), Err: err})
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
