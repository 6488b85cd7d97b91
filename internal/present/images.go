package present

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/object"
)

// images returns the container images that objects of a change gain or lose,
// each with the workloads that hold it, by name.
func images(set change.Set) []Image {
	byName := map[string]*Image{}
	for _, u := range set.Units {
		for _, o := range u.Objects {
			if o.Op == change.Move || o.Op == change.Orphan {
				continue // nothing runs otherwise
			}
			collect(byName, refOf(o.Ref), imagesOf(o.Before), imagesOf(o.After))
		}
	}
	out := []Image{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out
}

// collect notes what differs between the images of one workload.
func collect(byName map[string]*Image, of Ref, before, after map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(joined(before, after))) {
		was, is := before[name], after[name]
		if slices.Equal(was, is) {
			continue
		}
		i := byName[name]
		if i == nil {
			i = &Image{Name: name, Before: []string{}, After: []string{}}
			byName[name] = i
		}
		i.Before, i.After = union(i.Before, was), union(i.After, is)
		i.Workloads = append(i.Workloads, of)
	}
}

func joined(a, b map[string][]string) map[string]bool {
	out := map[string]bool{}
	for name := range a {
		out[name] = true
	}
	for name := range b {
		out[name] = true
	}
	return out
}

func union(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// imagesOf returns the versions of each image that an object's containers name.
func imagesOf(u *unstructured.Unstructured) map[string][]string {
	out := map[string][]string{}
	object.EachImage(u, func(image string) {
		name, version := splitImage(image)
		out[name] = union(out[name], []string{version})
	})
	return out
}

// splitImage cuts an image before its tag or digest: a colon behind the last
// slash, or an @. Without either the version is latest, as the kubelet has it.
func splitImage(image string) (name, version string) {
	if name, digest, ok := strings.Cut(image, "@"); ok {
		base, tag := splitImage(name)
		if tag == latest {
			return base, digest
		}
		return base, tag + "@" + digest
	}
	slash := strings.LastIndexByte(image, '/')
	if i := strings.LastIndexByte(image, ':'); i > slash {
		return image[:i], image[i+1:]
	}
	return image, latest
}

const latest = "latest"
