package access

import (
	"slices"
	"strings"
)

// Risks that a policy may accept for a role; without it they are left out.
const (
	RiskExec    = "exec"    // commands in containers
	RiskSecrets = "secrets" // reading Secrets
)

var risks = []string{RiskExec, RiskSecrets}

// danger is a right that would let the holder of a grant keep it past its end, hand
// it on, or get rights beyond it.
type danger struct {
	// group is an API group; a leading dot makes it the end of one.
	group string
	// resources of the group, with subresource; none are all.
	resources []string
	verbs     []string
	// risk is what a policy accepts it as; empty: never.
	risk string
	why  string
}

var (
	writes = []string{"create", "update", "patch", "delete", "deletecollection"}
	reads  = []string{"get", "list", "watch"}
	// every verb that is asked for as such; "*" of a role becomes these.
	everyVerb = slices.Concat(reads, writes)
	// special verbs are asked for about other requests than the one that is made.
	special = []string{"bind", "escalate"}
)

// dangers are all that is known. Controllers of others, which make workloads or
// rights of their custom resources, cannot be known here: docs/access.md says so.
var dangers = []danger{
	{group: "rbac.authorization.k8s.io", verbs: writes, why: "it hands out rights"},
	{group: "", resources: []string{"serviceaccounts/token"}, verbs: writes, why: "it makes tokens that outlive the grant"},
	{group: "certificates.k8s.io", verbs: append(slices.Clone(writes), "approve", "sign", "attest"), why: "it makes certificates that outlive the grant"},
	{group: Group, verbs: writes, why: "a grant must not grant"},
	{group: "admissionregistration.k8s.io", verbs: writes, why: "it takes away what holds grants to their bounds"},
	{group: "apiregistration.k8s.io", verbs: writes, why: "it stands in for the API server"},
	{group: "apiextensions.k8s.io", verbs: writes, why: "it changes or removes the kinds of the grants themselves"},
	{group: "", resources: []string{"nodes/proxy"}, verbs: everyVerb, why: "it runs commands on nodes past the API server"},
	{group: "", resources: []string{"persistentvolumes"}, verbs: []string{"create", "update", "patch"}, why: "it reaches the files of nodes"},
	{group: ".toolkit.fluxcd.io", verbs: []string{"create"}, why: "the engine would apply anything for its holder"},
	{group: "source.extensions.fluxcd.io", verbs: []string{"create"}, why: "the engine would apply anything for its holder"},
	{group: ".toolkit.fluxcd.io", verbs: []string{"delete", "deletecollection"}, why: "the engine would delete for its holder all that it applied"},
	{group: "source.extensions.fluxcd.io", verbs: []string{"delete", "deletecollection"}, why: "the engine would delete for its holder all that it applied"},
	{group: "", resources: []string{"pods/exec", "pods/attach", "pods/ephemeralcontainers"}, verbs: everyVerb, risk: RiskExec,
		why: "it reads the credentials of the pods' accounts"},
	// The answer to a patch, and to a deletion that waits for something, is the object.
	{group: "", resources: []string{"secrets"}, verbs: slices.Concat(reads, []string{"patch", "delete", "deletecollection"}), risk: RiskSecrets,
		why: "it reads credentials that outlive the grant"},
}

func (d danger) hasGroup(group string) bool {
	if strings.HasPrefix(d.group, ".") {
		return strings.HasSuffix(group, d.group)
	}
	return group == d.group
}

func (d danger) hasResource(resource string) bool {
	return len(d.resources) == 0 || slices.Contains(d.resources, resource)
}

// specialVerb tells whether a verb is dangerous on whatever it is on: it is asked
// for when rights are handed out, or somebody else is acted as.
func specialVerb(verb string) bool {
	return slices.Contains(special, verb) || strings.HasPrefix(verb, "impersonate")
}
