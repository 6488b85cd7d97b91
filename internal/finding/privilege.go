package finding

import (
	"slices"
	"strconv"
	"strings"

	"github.com/leat-dev/leat/internal/change"
	"github.com/leat-dev/leat/internal/words"
)

var privilegeRules = []Rule{
	{
		Name: "privileged", Severity: Danger,
		Doc:  "A container is privileged: it has the node, and with it every pod and Secret there. Ask for the one capability or device that is needed.",
		each: perContainer(privileged),
	},
	{
		Name: "host-namespaces", Severity: Danger,
		Doc:  "Pods share the network, the processes or the memory of their node: they see, and may disturb, what others run there.",
		each: perPod(hostNamespaces),
	},
	{
		Name: "host-path", Severity: Danger,
		Doc:  "Pods mount a folder of their node. Written to, or with the sockets of the runtime in it, that is the node itself. Use a volume.",
		each: perPod(hostPaths),
	},
	{
		Name: "capabilities", Severity: Warning,
		Doc:  "A container gets capabilities of the kernel beyond the usual ones. ALL, and those that are root by another name, are a danger.",
		each: perContainer(capabilities),
	},
	{
		Name: "privilege-escalation", Severity: Warning,
		Doc:   "A container may gain rights that it was not started with (allowPrivilegeEscalation), or no longer rules that out.",
		each:  perContainer(mayEscalate),
		Check: perChange(escalationAllowed),
	},
	{
		Name: "run-as-root", Severity: Warning,
		Doc:   "A container runs as root by its manifest, or no longer rules that out (runAsNonRoot).",
		each:  perPod(runsAsRoot),
		Check: perChange(rootAllowed),
	},
}

func privileged(c container) []Finding {
	if in(c.fields, "securityContext", "privileged") != true {
		return nil
	}
	return foundAt(c.field("securityContext", "privileged"), "the container %s is privileged", c.name)
}

func hostNamespaces(p pod) []Finding {
	var out []Finding
	for _, field := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if p.spec[field] == true {
			out = append(out, foundAt(p.field(field), "the pods have %s", field)...)
		}
	}
	return out
}

// hostPaths looks at the volumes; who mounts one only to read is told of as a
// warning.
func hostPaths(p pod) []Finding {
	volumes, _ := p.spec["volumes"].([]any)
	var out []Finding
	for i, item := range volumes {
		volume := asMap(item)
		path, ok := in(volume, "hostPath", "path").(string)
		if !ok {
			continue
		}
		name, _ := volume["name"].(string)
		f := foundAt(p.field("volumes", strconv.Itoa(i), "hostPath"), "the pods mount %s of their node", path)[0]
		if !writes(p, name) && path != "/" && !strings.HasSuffix(path, ".sock") {
			f.Message += ", to read"
			f = f.as(Warning)
		}
		out = append(out, f)
	}
	return out
}

// writes tells whether a container mounts a volume to write, or as a device.
func writes(p pod, volume string) bool {
	for _, c := range p.containers() {
		mounts, _ := c.fields["volumeMounts"].([]any)
		for _, item := range mounts {
			if m := asMap(item); m["name"] == volume && m["readOnly"] != true {
				return true
			}
		}
	}
	return false
}

// Capabilities that are root by another name.
var rootly = []string{"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "BPF"}

func capabilities(c container) []Finding {
	added := texts(in(c.fields, "securityContext", "capabilities", "add"))
	var names []string
	danger := false
	for _, name := range added {
		name = strings.TrimPrefix(strings.ToUpper(name), "CAP_")
		danger = danger || slices.Contains(rootly, name)
		if name != "NET_BIND_SERVICE" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	f := foundAt(c.field("securityContext", "capabilities", "add"), "the container %s gets %s", c.name, words.Some(names))[0]
	if danger {
		f = f.as(Danger)
	}
	return []Finding{f}
}

func mayEscalate(c container) []Finding {
	if in(c.fields, "securityContext", "allowPrivilegeEscalation") != true {
		return nil
	}
	return foundAt(c.field("securityContext", "allowPrivilegeEscalation"), "the container %s may gain rights", c.name)
}

// perContainerChange is a rule about containers that are there before and after.
func perContainerChange(o *change.Object, check func(before, after map[string]any, c container) []Finding) []Finding {
	before, was := podOf(o.Before)
	after, is := podOf(o.After)
	if !was || !is {
		return nil
	}
	var out []Finding
	for _, c := range after.containers() {
		if old := before.byName(c.name); old != nil {
			out = append(out, check(old, c.fields, c)...)
		}
	}
	return out
}

func escalationAllowed(o *change.Object) []Finding {
	return perContainerChange(o, func(before, after map[string]any, c container) []Finding {
		was, is := in(before, "securityContext", "allowPrivilegeEscalation"), in(after, "securityContext", "allowPrivilegeEscalation")
		if was != false || is != nil {
			return nil
		}
		return foundAt(c.field("securityContext"), "the container %s no longer rules out that it gains rights", c.name)
	})
}

// runsAsRoot looks at what holds for each container: its own setting, else that of
// the pods.
func runsAsRoot(p pod) []Finding {
	var out []Finding
	for _, c := range p.containers() {
		switch user, given := userOf(p, c.fields); {
		case given && user == 0:
			out = append(out, foundAt(c.field("securityContext"), "the container %s runs as root", c.name)...)
		case !given && secured(p, c.fields, "runAsNonRoot") == false:
			out = append(out, foundAt(c.field("securityContext"), "the container %s may run as root", c.name)...)
		}
	}
	return out
}

// secured is a setting of securityContext, of the container or else of its pods.
func secured(p pod, c map[string]any, field string) any {
	if own := in(c, "securityContext", field); own != nil {
		return own
	}
	return in(p.spec, "securityContext", field)
}

func userOf(p pod, c map[string]any) (int64, bool) { return number(secured(p, c, "runAsUser")) }

func rootAllowed(o *change.Object) []Finding {
	before, was := podOf(o.Before)
	after, is := podOf(o.After)
	if !was || !is {
		return nil
	}
	const field = "runAsNonRoot"
	var out []Finding
	for _, c := range after.containers() {
		old := before.byName(c.name)
		if _, given := userOf(after, c.fields); old == nil || given {
			continue
		}
		if secured(before, old, field) == true && secured(after, c.fields, field) == nil {
			out = append(out, foundAt(c.field("securityContext"), "the container %s no longer rules out that it runs as root", c.name)...)
		}
	}
	return out
}
