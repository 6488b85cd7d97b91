package install

import (
	"fmt"
	"slices"
)

// args returns the flags of a process: those that Flux's controllers have keep
// their names, so that overlays written for these go on working.
func (r *rendering) args(p process) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if p.componentsArg != "" {
		add("--components=%s", p.componentsArg)
	}
	if r.sendsEvents(p) {
		add("--events-addr=http://%s/", r.host(NotificationController))
	}
	add("--watch-all-namespaces=%t", !r.OwnNamespaceOnly)
	add("--log-level=%s", r.LogLevel)
	add("--log-encoding=json")
	add("--enable-leader-election")
	if p.data {
		add("--storage-path=/data")
	} else {
		add("--storage-path=/tmp") // the rest of the filesystem is read-only
	}
	if host := r.artifactHost(p); host != "" {
		add("--storage-adv-addr=%s", host)
	} else {
		add("--storage-addr=") // nobody comes for files
	}
	if r.ActAsControllers && r.Layout == OneDeployment && len(r.appliers()) > 0 {
		add("--act-as-controllers")
	}
	if r.grants(p) {
		add("--access")
	}
	return append(out, r.lockdown(p)...)
}

// lockdown returns the flags for clusters with several tenants that the parts
// of a process know.
func (r *rendering) lockdown(p process) []string {
	var out []string
	if r.NoCrossNamespaceRefs && slices.ContainsFunc(p.parts, func(c component) bool { return !c.noRefs }) {
		out = append(out, "--no-cross-namespace-refs=true")
	}
	if r.NoRemoteBases && slices.ContainsFunc(p.parts, func(c component) bool { return c.name == KustomizeController }) {
		out = append(out, "--no-remote-bases=true")
	}
	if r.DefaultServiceAccount != "" && slices.ContainsFunc(p.parts, func(c component) bool { return c.applier }) {
		out = append(out, "--default-service-account="+r.DefaultServiceAccount)
	}
	return out
}

// sendsEvents tells whether a process has to be told where events go: the one
// Deployment hands them over inside.
func (r *rendering) sendsEvents(p process) bool {
	listening := slices.ContainsFunc(r.parts, func(c component) bool { return c.name == NotificationController }) && !events.notYet
	return r.Layout == LikeFlux && listening && !p.noEvents
}

// artifactHost returns the name under which the files of a process are found.
func (r *rendering) artifactHost(p process) string {
	for _, c := range p.parts {
		if c.servesFiles() {
			return r.host(c.name)
		}
	}
	return ""
}

// host returns the name of a Service, which is complete so that no search
// domains are tried.
func (r *rendering) host(service string) string {
	return service + ".$(RUNTIME_NAMESPACE).svc." + r.ClusterDomain + "."
}
