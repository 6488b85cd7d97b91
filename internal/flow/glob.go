package flow

import (
	"fmt"
	"path"
	"strings"
)

// Match tells whether a path matches a pattern: * and ? stand for parts of one
// name, [a-z] for one letter, ** for any number of directories.
func Match(pattern, name string) bool {
	return match(strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(name, "/"))
}

func match(pattern, name []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(name) + 1 {
				if match(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		}
		if len(name) == 0 {
			return false
		}
		if ok, err := path.Match(pattern[0], name[0]); err != nil || !ok {
			return false
		}
		pattern, name = pattern[1:], name[1:]
	}
	return len(name) == 0
}

// MatchAny tells whether a path matches one of the patterns.
func MatchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if Match(p, name) {
			return true
		}
	}
	return false
}

// maxStars bounds how often ** may stand in a pattern: each multiplies the work.
const maxStars = 3

func validGlob(text string) error {
	if strings.Count(text, "**") > maxStars {
		return fmt.Errorf("%q: ** may stand %d times", text, maxStars)
	}
	for _, part := range strings.Split(text, "/") {
		if _, err := path.Match(part, ""); err != nil || strings.Contains(part, "**") && part != "**" {
			return fmt.Errorf("%q is no pattern of files, such as clusters/*/release.yaml or **/*.yaml", text)
		}
	}
	return nil
}
