package flow

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/leat-dev/leat/internal/edit"
	"github.com/leat-dev/leat/internal/finding"
	"github.com/leat-dev/leat/internal/tree"
)

// wants holds a field to its tag. A list is held item by item.
func (d *decoder) wants(at string, f field, v reflect.Value) {
	if d.nodes[at] == nil {
		if slices.Contains(f.want, "required") {
			d.failAt(at, "it has no %s", f.name)
		}
		return
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 && slices.Contains(f.want, "required") {
		d.failAt(at, "%s is empty", f.name)
	}
	for _, want := range f.want {
		name, rest, _ := strings.Cut(want, "=")
		check := checks[name]
		if check == nil {
			continue
		}
		for place, text := range textsOf(at, v) {
			if err := check(text, rest); err != nil {
				d.failAt(place, "%s: %v", f.name, err)
			}
		}
	}
}

// textsOf are the texts of a value by their places; what was not read is left out.
func textsOf(at string, v reflect.Value) map[string]string {
	out := map[string]string{}
	switch v.Kind() {
	case reflect.String:
		out[at] = v.String()
	case reflect.Int:
		out[at] = fmt.Sprint(v.Int())
	case reflect.Slice:
		for i := range v.Len() {
			if item := v.Index(i); item.Kind() == reflect.String {
				out[fmt.Sprintf("%s[%d]", at, i)] = item.String()
			}
		}
	}
	for place, text := range out {
		if text == "" { // said already
			delete(out, place)
		}
	}
	return out
}

// checks are what tags can want of a text; rest is what follows the =.
var checks = map[string]func(text, rest string) error{
	"enum":     checkEnum,
	"name":     checkName,
	"branch":   checkBranch,
	"path":     checkPath,
	"glob":     checkGlob,
	"yamlpath": func(text, _ string) error { _, err := edit.ParsePath(text); return err },
	"failon":   checkFailOn,
	"days":     func(text, _ string) error { _, err := weekdays(text); return err },
	"clock":    checkClock,
	"date":     checkDate,
	"zone":     checkZone,
	"positive": checkPositive,
	"team":     checkTeam,
}

func checkEnum(text, rest string) error {
	known := strings.Split(rest, "|")
	if slices.Contains(known, text) {
		return nil
	}
	if len(known) == 1 {
		return fmt.Errorf("%q, want %s", text, known[0])
	}
	return fmt.Errorf("%q, want one of %s", text, strings.Join(known, ", "))
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

func checkName(text, _ string) error {
	if !nameForm.MatchString(text) {
		return fmt.Errorf("%q: want letters, digits, -, _ and dots, at most 63", text)
	}
	return nil
}

// maxBranch bounds a name; file systems take 255 bytes for one part, with .lock after it.
const maxBranch = 240

func checkBranch(text, _ string) error { return CheckBranch(text) }

// CheckBranch keeps names out that Git refuses (git-check-ref-format(1)).
func CheckBranch(text string) error {
	if text == "" || text == "@" || len(text) > maxBranch || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%q is no name of a branch", text)
	}
	for part := range strings.SplitSeq(text, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return fmt.Errorf("%q: no part of a branch's name can begin with a dot, or end in .lock", text)
		}
	}
	for _, bad := range []string{"..", "//", "@{", " ", "~", "^", ":", "?", "*", "[", "\\"} {
		if strings.Contains(text, bad) {
			return fmt.Errorf("%q: a branch cannot have %q in its name", text, bad)
		}
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "-") || strings.HasSuffix(text, "/") || strings.HasSuffix(text, ".") {
		return fmt.Errorf("%q is no name of a branch", text)
	}
	return nil
}

func checkPath(text, _ string) error {
	if _, err := tree.Clean(text); err != nil || strings.HasPrefix(text, "/") {
		return fmt.Errorf("%q: want a directory inside the repository, such as clusters/production", text)
	}
	return nil
}

func checkGlob(text, _ string) error {
	if _, err := tree.Clean(strings.TrimPrefix(text, "/")); err != nil {
		return fmt.Errorf("%q leads out of the repository", text)
	}
	return validGlob(text)
}

func checkFailOn(text, _ string) error {
	if _, err := finding.ParseFailOn(text); err != nil {
		return fmt.Errorf("%q: want danger, warning, info, none, or names of rules (docs/findings.md)", text)
	}
	return nil
}

func checkClock(text, _ string) error {
	if _, err := time.Parse(clockForm, text); err != nil {
		return fmt.Errorf("%q: want a time as 09:00", text)
	}
	return nil
}

func checkDate(text, _ string) error {
	if _, _, err := moment(text, time.UTC); err != nil {
		return fmt.Errorf("%q: want a day as 2026-12-20, or a time as 2026-12-20T12:00", text)
	}
	return nil
}

func checkZone(text, _ string) error {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" {
		return fmt.Errorf("%q: there is no such time zone; want a name as Europe/Oslo or UTC", text)
	}
	return nil
}

func checkPositive(text, _ string) error {
	if strings.HasPrefix(text, "-") || text == "0" {
		return fmt.Errorf("%s: want 1 or more", text)
	}
	return nil
}
