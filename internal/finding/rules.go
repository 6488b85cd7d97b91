package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rules are all rules, the most dangerous first.
var Rules = allRules()

func allRules() []Rule {
	all := slices.Concat(
		dataRules, pruneRules, immutableRules, rbacRules, privilegeRules, availabilityRules,
		deliveryRules, practiceRules, knownRules, pinRules, imageRules,
	)
	slices.SortStableFunc(all, func(a, b Rule) int { return cmp.Compare(b.Severity, a.Severity) })
	return all
}

// Markdown is the reference of all rules, docs/findings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, s := range []Severity{Danger, Warning, Info} {
		fmt.Fprintf(&b, "\n## %s\n\n| rule | what it finds |\n|---|---|\n", strings.ToUpper(s.String()[:1])+s.String()[1:])
		for _, r := range Rules {
			if r.Severity == s {
				fmt.Fprintf(&b, "| `%s` | %s |\n", r.Name, r.Doc)
			}
		}
	}
	b.WriteString("\n## The practices of GitOps\n\nWhich rules watch over which practice:\n\n| practice | rules |\n|---|---|\n")
	for i, text := range Practices {
		if i > 0 {
			fmt.Fprintf(&b, "| %d. %s | %s |\n", i, text, strings.Join(practised(i), ", "))
		}
	}
	b.WriteString("\n`leat drift` says what was changed in the live cluster against the first practice.\n")
	return b.String()
}

// practised are the rules that watch over a practice.
func practised(practice int) []string {
	var out []string
	for _, r := range Rules {
		if r.Practice == practice {
			out = append(out, "`"+r.Name+"`")
		}
	}
	return out
}

const introduction = `# Findings

Made from the program: ` + "`go test ./internal/finding -run TestDocs -update`" + `.

` + "`leat plan`" + ` says what of a change is dangerous, wrong, or worth a look. Each finding names its rule, the unit, the object
and the field it is about, and the file and line where that was written. Of what the change brings, the line is proven: it
was changed in a copy, and the field changed with it. Of what stood before, and of what a chart makes, the line is read: it
is that of the field in the object's own document, else the line above it that the document has, else the object, else the
unit. Only what is in no file has no line: the entry that ` + "`--path`" + ` makes, and what is said of the fleet as a whole. What the
change brings comes first; findings that stood before the change are old, counted, and folded away.

` + "`--fail-on`" + ` takes a severity (that and above), names of rules, or both: ` + "`--fail-on danger,plain-secret`" + `. The exit code is 3
when a finding that is neither old nor allowed is among them.

A finding that is meant is allowed by an annotation, with the names of rules:

` + "```yaml" + `
metadata:
  annotations:
    leat.dev/allow: host-path, privileged
` + "```" + `

On an object it allows those about the object; on a unit (a Kustomization, a HelmRelease) those about all that the unit
makes, except dangers: they need the annotation on the object itself. Allowed findings are shown as such and counted.
Or by a file, ` + "`leat.findings.yaml`" + ` in the directory of the fleet, with a reason and, if it is meant for a while only, a last day:

` + "```yaml" + `
# yaml-language-server: $schema=https://leat.dev/schema/findings-v1.json
apiVersion: leat.dev/findings/v1
kind: AllowedFindings
allow:
- rule: host-path                          # which rule
  object: DaemonSet/kube-system/node-agent # Kind/namespace/name of the object, or of the unit where it is about no object
  reason: it reads the logs of its node
- rule: health-checks-off
  object: Kustomization/flux-system/*      # * is any text without a slash
  cluster: clusters/dev                    # the path of its entry; unit names who makes the object
  reason: dev is thrown away every night
  until: 2026-12-31                        # counts again from the day after
` + "```" + `

` + "`rule` and `reason`" + ` must be there; what is left out holds for all. A danger is only allowed by an entry with ` + "`object`" + `. ` + "`--allow" + `
RULE` + "`" + ` and ` + "`--allow RULE:KIND/NAMESPACE/NAME`" + ` of ` + "`leat plan` and `leat test`" + ` do so for one run. ` + "`leat plan --findings all`" + ` lists what is
allowed, by whom and why, and what stood before; JSON and SARIF always do. ` + "`leat plan`" + ` reads the file of the directory that
it is called for, also where --head names a commit.

Some findings of a rule are graded higher or lower than the rule: a capability that is root by another name is a danger.
`
