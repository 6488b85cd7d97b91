package install

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Group is that of the files which a pod writes: the one of Flux's pods, so
// that volumes of fleets keep fitting.
const Group = 1337

// process is what one Deployment runs.
type process struct {
	component
	parts         []component
	cpu, memory   string // requests
	limits        [2]string
	componentsArg string
}

// deployments returns the one Deployment, or one per component.
func (r *rendering) deployments() []runtime.Object {
	if len(r.parts) == 0 {
		return nil
	}
	if r.Layout == OneDeployment {
		return []runtime.Object{r.deployment(r.everythingInOne())}
	}
	var out []runtime.Object
	for _, c := range r.parts {
		out = append(out, r.deployment(process{
			component: c, parts: []component{c}, cpu: "100m", memory: "64Mi", limits: [2]string{"1000m", "1Gi"}, componentsArg: c.name,
		}))
	}
	return out
}

// everythingInOne joins the components: all ports, the longest grace.
func (r *rendering) everythingInOne() process {
	p := process{
		component: component{name: string(OneDeployment), data: true, temp: "temp", critical: true},
		parts:     r.parts, cpu: "100m", memory: "128Mi", limits: [2]string{"2000m", "2Gi"},
	}
	if !r.everything() {
		p.componentsArg = strings.Join(names(r.parts), ",")
	}
	seen := map[string]bool{}
	for _, c := range r.parts {
		p.grace = max(p.grace, c.grace)
		for _, port := range c.ports {
			if !seen[port.alone] {
				p.ports = append(p.ports, port)
			}
			seen[port.alone] = true
		}
	}
	return p
}

func (r *rendering) deployment(p process) *appsv1.Deployment {
	labels := r.labels(p.name)
	labels[labelApp] = p.name
	replicas := int32(1)
	d := &appsv1.Deployment{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: p.name, Namespace: r.Namespace, Labels: map[string]string{
			LabelComponent: p.name, labelControl: "controller",
		}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{labelApp: p.name}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{
					"prometheus.io/port": fmt.Sprint(metricsPort), "prometheus.io/scrape": "true",
				}},
				Spec: r.pod(p),
			},
		},
	}
	if p.servesFiles() {
		// Fleets patch in a volume that one pod at a time can mount, as they do
		// for Flux. Without one, pods may be rolled, and be several.
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	}
	return d
}

func (r *rendering) pod(p process) corev1.PodSpec {
	group, grace := int64(Group), p.grace
	s := corev1.PodSpec{
		Containers:                    []corev1.Container{r.container(p)},
		NodeSelector:                  map[string]string{"kubernetes.io/os": "linux"},
		SecurityContext:               &corev1.PodSecurityContext{FSGroup: &group},
		ServiceAccountName:            p.name,
		TerminationGracePeriodSeconds: &grace,
		Volumes:                       volumes(p),
	}
	if p.critical {
		s.PriorityClassName = "system-cluster-critical"
	}
	if r.ImagePullSecret != "" {
		s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: r.ImagePullSecret}}
	}
	for _, key := range r.TolerationKeys {
		s.Tolerations = append(s.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
	}
	return s
}

// container is named as in Flux: logs are looked for in it. The verb stands in
// command and not in args, because fleets insert their flags at any place of args.
func (r *rendering) container(p process) corev1.Container {
	no, yes := false, true
	return corev1.Container{
		Name:            "manager",
		Image:           r.Image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         []string{"/leat", "controller"},
		Args:            r.args(p),
		Env:             environment(p),
		Ports:           r.containerPorts(p),
		LivenessProbe:   probe("/healthz"),
		ReadinessProbe:  probe("/readyz"),
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse(p.cpu), "memory": resource.MustParse(p.memory)},
			Limits:   corev1.ResourceList{"cpu": resource.MustParse(p.limits[0]), "memory": resource.MustParse(p.limits[1])},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			ReadOnlyRootFilesystem:   &yes,
			RunAsNonRoot:             &yes,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		VolumeMounts: mounts(p),
	}
}

// environment tells a process its namespace, its memory, and, where it serves
// files, the address under which other replicas pass requests on to it.
func environment(p process) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "RUNTIME_NAMESPACE", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"},
		}},
		{Name: "TUF_ROOT", Value: "/tmp/.sigstore"},
		{Name: "GOMEMLIMIT", ValueFrom: &corev1.EnvVarSource{
			ResourceFieldRef: &corev1.ResourceFieldSelector{
				ContainerName: "manager", Resource: "limits.memory", Divisor: resource.MustParse("1"), // in bytes
			},
		}},
	}
	if p.servesFiles() {
		env = append(env, corev1.EnvVar{Name: "POD_IP", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"},
		}})
	}
	return env
}

// containerPorts declares the ports that this release listens on.
func (r *rendering) containerPorts(p process) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	for _, port := range p.ports {
		if !port.notYet {
			out = append(out, corev1.ContainerPort{Name: r.named(port), ContainerPort: r.number(port), Protocol: corev1.ProtocolTCP})
		}
	}
	return append(out,
		corev1.ContainerPort{Name: "http-prom", ContainerPort: metricsPort, Protocol: corev1.ProtocolTCP},
		corev1.ContainerPort{Name: "healthz", ContainerPort: healthPort, Protocol: corev1.ProtocolTCP},
	)
}

func probe(path string) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("healthz")},
	}}
}

func volumes(p process) []corev1.Volume {
	empty := func(name string) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	}
	if p.data {
		return []corev1.Volume{empty("data"), empty(p.temp)}
	}
	return []corev1.Volume{empty(p.temp)}
}

func mounts(p process) []corev1.VolumeMount {
	temp := corev1.VolumeMount{Name: p.temp, MountPath: "/tmp"}
	if p.data {
		return []corev1.VolumeMount{{Name: "data", MountPath: "/data"}, temp}
	}
	return []corev1.VolumeMount{temp}
}
