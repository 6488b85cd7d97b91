package flow

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// versionOf reads the version out of a pin's value: release/0.2.114, v1.14.2,
// lscsde/awms-keycloak:0.1.10. nil means that there is none.
func versionOf(value string) *semver.Version {
	_, value = splitImage(value)
	value = value[strings.LastIndex(value, "/")+1:]
	if strings.Count(value, ".") == 0 { // a number alone may be anything
		return nil
	}
	v, err := semver.NewVersion(value)
	if err != nil {
		return nil
	}
	return v
}

// splitImage cuts the tag from an image; a value without one is all tag.
func splitImage(value string) (image, tag string) {
	value, _, _ = strings.Cut(value, "@")
	if at := strings.LastIndex(value, ":"); at > strings.LastIndex(value, "/") {
		return value[:at], value[at+1:]
	}
	return "", value
}

// fixWord marks names of releases that were patched beside the line: seed 1's
// organisation writes release/0.2.99-patched-20241010 and 0.1.1-hotfix-123.
var fixWord = regexp.MustCompile(`(?i)(^|[-/.+_])(hot-?fix|patch(ed)?|fix)([-/.+_0-9]|$)`)

// isFix tells whether a value names a release that was fixed beside the line.
func isFix(value string) bool { return fixWord.MatchString(value) }

// Compare orders two values of one pin: below 0 means a is older. ok is false where
// they cannot be compared: names of branches without a version, tags by commit. A
// fixed release comes after the release that it fixes, unlike in semver.
func Compare(a, b string) (order int, ok bool) {
	if a == b {
		return 0, true
	}
	va, vb := versionOf(a), versionOf(b)
	if va == nil || vb == nil {
		return 0, false
	}
	core := cmp.Or(cmp.Compare(va.Major(), vb.Major()), cmp.Compare(va.Minor(), vb.Minor()), cmp.Compare(va.Patch(), vb.Patch()))
	fa, fb := isFix(a), isFix(b)
	switch {
	case core != 0:
		return core, true
	case fa != fb && fa:
		return 1, true
	case fa != fb:
		return -1, true
	}
	return va.Compare(vb), true
}

// Newest returns the newest of the values that are versions in the manner of a pin:
// with the same words before the version, and no pre-release unless the pin is one.
// "" means that there is none.
func Newest(pinned string, there []string) string {
	best := ""
	for _, value := range there {
		v := versionOf(value)
		if v == nil || manner(value) != manner(pinned) || v.Prerelease() != "" && !isFix(value) && !isPrerelease(pinned) {
			continue
		}
		if order, _ := Compare(value, best); best == "" || order > 0 {
			best = value
		}
	}
	return best
}

func isPrerelease(value string) bool {
	v := versionOf(value)
	return v != nil && v.Prerelease() != "" && !isFix(value)
}

// manner is what stands before the version: release/ of release/0.1.2.
func manner(value string) string {
	_, value = splitImage(value)
	return value[:strings.LastIndex(value, "/")+1]
}
