package carry

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/leat-dev/leat/internal/flow"
	"github.com/leat-dev/leat/internal/hash"
)

// maxSlug is how much of what is carried stands in the name of its branch.
const maxSlug = 40

// branchOf is the branch for a part of an environment: readable, as Git takes it, and
// another one for every other part.
//
//	retire/production+clusterrole-system-web-1a2b3c
func branchOf(prefix string, e flow.Environment, of []string) string {
	slug := strings.Trim(strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-') {
			return r
		}
		return '-'
	}, strings.Join(of, "-")), "-")
	if len(slug) > maxSlug {
		slug = strings.Trim(slug[:maxSlug], "-")
	}
	digest := hash.OfString(strings.Join(of, "\x00"))
	return fmt.Sprintf("%s%s+%s-%x", prefix, e.Name, slug, digest[:3])
}

// MeantFor is the environment that a branch of a promotion, a retirement or a rollback is
// for; empty for other branches.
func MeantFor(branch string) string {
	for _, prefix := range []string{PromoteBranch, RetireBranch} {
		if rest, is := strings.CutPrefix(branch, prefix); is {
			name, _, _ := strings.Cut(rest, "+")
			return name
		}
	}
	if rest, is := strings.CutPrefix(branch, RollbackBranch); is {
		return rest[:max(0, strings.LastIndexByte(rest, '-'))]
	}
	return ""
}
