package expect

import (
	"maps"
	"slices"
	"strings"

	"github.com/leat-dev/leat/internal/fleet"
	"github.com/leat-dev/leat/internal/object"
)

// used is an image with the objects whose containers name it.
type used struct {
	image string
	by    []string
}

// imagesOf returns the images of all containers of a fleet, sorted.
func imagesOf(r fleet.Rendered) []used {
	by := map[string][]string{}
	for _, u := range r.Units {
		for _, o := range u.Objects {
			if o.Provided {
				continue
			}
			object.EachImage(o.Value, func(image string) {
				if name := o.Ref.String(); !slices.Contains(by[image], name) {
					by[image] = append(by[image], name)
				}
			})
		}
	}
	var out []used
	for _, image := range slices.Sorted(maps.Keys(by)) {
		out = append(out, used{image, by[image]})
	}
	return out
}

// matches compares an image with a pattern, in which * stands for any text, also
// with slashes.
func matches(pattern, image string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == image
	}
	rest, ok := strings.CutPrefix(image, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
