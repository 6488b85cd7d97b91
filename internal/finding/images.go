package finding

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/object"
	"github.com/leat-dev/leat/internal/words"
)

var imageRules = []Rule{
	{
		Name: "image-changed", Severity: Info,
		Doc:   "An image changes, across all workloads that the fleet renders, charts included; one line an image.",
		Check: imageChanged,
	},
	{
		Name: "image-floating", Severity: Warning, Practice: semanticVersions,
		Doc: "An image has no tag, or one that moves, such as latest: two nodes may run different programs, and a rollback brings nothing back. Pin a version or a " +
			"digest.",
		each: perContainer(imageFloating),
	},
	{
		Name: "image-not-semver", Severity: Info, Practice: semanticVersions,
		Doc:  "The tag of an image is no semantic version, and there is no digest: nobody can tell what is newer, and image automation cannot choose.",
		each: perContainer(imageNotSemver),
	},
}

// splitImage cuts an image into its name, tag and digest.
func splitImage(image string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	return name, tag, digest
}

// version is the part of an image that changes.
func version(image string) string {
	_, tag, digest := splitImage(image)
	if digest != "" {
		return strings.TrimPrefix(tag+"@"+digest, "@")
	}
	return cmp.Or(tag, "no tag")
}

// imageChange is what happens to an image in some workloads.
type imageChange struct{ name, before, after string }

func imageChanged(set change.Set) []Finding {
	type user struct {
		unit  object.Key
		ref   object.Ref
		field string
	}
	users := map[imageChange][]user{}
	for i := range set.Units {
		for j := range set.Units[i].Objects {
			o := &set.Units[i].Objects[j]
			for _, c := range changedImages(o) {
				users[c.imageChange] = append(users[c.imageChange], user{set.Units[i].Key, o.Ref, c.field})
			}
		}
	}
	var out []Finding
	for _, c := range slices.SortedFunc(maps.Keys(users), func(a, b imageChange) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.before, b.before), strings.Compare(a.after, b.after))
	}) {
		var names []string
		for _, u := range users[c] {
			if name := u.ref.String(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		out = append(out, Finding{
			Unit: users[c][0].unit, Object: users[c][0].ref, Field: users[c][0].field,
			Message: fmt.Sprintf("%s: %s → %s in %s", c.name, c.before, c.after, words.Some(names)),
		})
	}
	return out
}

// changedImage is an image that changes, and where.
type changedImage struct {
	imageChange
	field string
}

// changedImages returns how the images of a workload change, container by
// container; another image is a change of its name.
func changedImages(o *change.Object) []changedImage {
	before, was := podOf(o.Before)
	after, is := podOf(o.After)
	if !was || !is {
		return nil
	}
	var out []changedImage
	for _, c := range after.containers() {
		oldImage, _ := before.byName(c.name)["image"].(string)
		newImage, _ := c.fields["image"].(string)
		if oldImage == newImage || oldImage == "" || newImage == "" {
			continue
		}
		oldName, _, _ := splitImage(oldImage)
		newName, _, _ := splitImage(newImage)
		to := version(newImage)
		if oldName != newName {
			to = newName + " " + to
		}
		out = append(out, changedImage{imageChange{oldName, version(oldImage), to}, c.field("image")})
	}
	return out
}

// moving are tags that move by convention.
var moving = []string{"", "latest", "edge", "nightly", "main", "master", "dev", "develop", "stable", "rolling"}

func floats(image string) bool {
	_, tag, digest := splitImage(image)
	return digest == "" && slices.Contains(moving, tag)
}

func imageFloating(c container) []Finding {
	image, _ := c.fields["image"].(string)
	if image == "" || !floats(image) {
		return nil
	}
	name, tag, _ := splitImage(image)
	if tag == "" {
		return foundAt(c.field("image"), "the image %s has no tag: the newest is run", name)
	}
	return foundAt(c.field("image"), "the tag %s of the image %s moves", tag, name)
}

func imageNotSemver(c container) []Finding {
	image, _ := c.fields["image"].(string)
	name, tag, digest := splitImage(image)
	if image == "" || floats(image) || digest != "" {
		return nil
	}
	if _, err := semver.NewVersion(tag); err == nil {
		return nil
	}
	return foundAt(c.field("image"), "the tag %s of the image %s is no semantic version", tag, name)
}
