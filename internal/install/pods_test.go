package install

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func deployments(t *testing.T, o Options) []appsv1.Deployment {
	t.Helper()
	var out []appsv1.Deployment
	for _, obj := range render(t, o) {
		if obj.GetKind() != deploymentKind.Kind {
			continue
		}
		var d appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(obj.Object, &d, true); err != nil {
			t.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// What people and scripts type at a Flux installation names these Deployments:
// kubectl logs -n flux-system deploy/source-controller.
func TestDeploymentsHaveTheNamesOfTheLayout(t *testing.T) {
	cases := []struct {
		options Options
		want    []string
	}{
		{Options{}, []string{"leat"}},
		{Options{Components: []string{"source-watcher"}}, []string{"leat"}},
		{Options{Layout: LikeFlux}, ComponentNames()},
		{Options{Layout: LikeFlux, Components: []string{"helm-controller", "source-controller"}}, []string{"source-controller", "helm-controller"}},
	}
	for _, c := range cases {
		var got []string
		for _, d := range deployments(t, c.options) {
			got = append(got, d.Name)
			pod := d.Spec.Template
			if pod.Labels["app"] != d.Name || pod.Labels[LabelPartOf] != PartOf || pod.Spec.Containers[0].Name != "manager" {
				t.Errorf("%s: flux logs would not find its pods: labels %v, container %s", d.Name, pod.Labels, pod.Spec.Containers[0].Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v, want %v", c.options, got, c.want)
		}
	}
}

// The rules of the restricted pod security standard; the embedded tests ask the
// policy itself.
func TestPodsAreRestricted(t *testing.T) {
	for _, layout := range []Layout{OneDeployment, LikeFlux} {
		for _, d := range deployments(t, Options{Layout: layout}) {
			s := d.Spec.Template.Spec.Containers[0].SecurityContext
			ok := *s.RunAsNonRoot && *s.ReadOnlyRootFilesystem && !*s.AllowPrivilegeEscalation &&
				s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"})
			if !ok {
				t.Errorf("%s: %+v", d.Name, s)
			}
		}
	}
}

// The root of the filesystem is read-only: what a process writes to is mounted.
func TestFlagsPointIntoVolumes(t *testing.T) {
	for _, layout := range []Layout{OneDeployment, LikeFlux} {
		for _, d := range deployments(t, Options{Layout: layout}) {
			c := d.Spec.Template.Spec.Containers[0]
			var mounted []string
			for _, m := range c.VolumeMounts {
				mounted = append(mounted, m.MountPath)
			}
			for _, arg := range c.Args {
				dir, is := strings.CutPrefix(arg, "--storage-path=")
				if is && !slices.Contains(mounted, dir) || !slices.Contains(mounted, "/tmp") {
					t.Errorf("%s: %s: not in a volume: there are %v", d.Name, arg, mounted)
				}
			}
			if !slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "--storage-path=") }) {
				t.Errorf("%s keeps its state where the default says, not in a volume", d.Name)
			}
		}
	}
}

// A volume for artifacts, which fleets patch in, is mounted by one pod at a time.
func TestServersOfFilesAreReplacedNotRolled(t *testing.T) {
	for _, layout := range []Layout{OneDeployment, LikeFlux} {
		for _, d := range deployments(t, Options{Layout: layout}) {
			serves := slices.ContainsFunc(d.Spec.Template.Spec.Containers[0].Args, func(a string) bool {
				return strings.HasPrefix(a, "--storage-adv-addr=")
			})
			if recreated := d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType; recreated != serves {
				t.Errorf("%s: recreated: got %t, want %t", d.Name, recreated, serves)
			}
		}
	}
}

func TestLockdownReachesWhoKnowsIt(t *testing.T) {
	lockdown := Options{NoCrossNamespaceRefs: true, NoRemoteBases: true, DefaultServiceAccount: "default"}
	want := map[string]string{
		"leat":                    "refs bases account",
		SourceController:          "",
		KustomizeController:       "refs bases account",
		HelmController:            "refs account",
		NotificationController:    "refs",
		ImageReflectorController:  "refs",
		ImageAutomationController: "refs",
		SourceWatcher:             "refs",
	}
	flags := []struct{ flag, short string }{
		{"--no-cross-namespace-refs=true", "refs"}, {"--no-remote-bases=true", "bases"}, {"--default-service-account=default", "account"},
	}
	for _, lockdown.Layout = range []Layout{OneDeployment, LikeFlux} {
		for _, d := range deployments(t, lockdown) {
			var got []string
			for _, f := range flags {
				if slices.Contains(d.Spec.Template.Spec.Containers[0].Args, f.flag) {
					got = append(got, f.short)
				}
			}
			if strings.Join(got, " ") != want[d.Name] {
				t.Errorf("%s: got %v, want %q", d.Name, got, want[d.Name])
			}
		}
	}
}

func TestPartsAreNamedToTheProcess(t *testing.T) {
	one := deployments(t, Options{Components: []string{"helm-controller", "source-controller"}})[0]
	if args := one.Spec.Template.Spec.Containers[0].Args; args[0] != "--components=source-controller,helm-controller" {
		t.Errorf("got %v", args)
	}
	for _, d := range deployments(t, Options{Layout: LikeFlux}) {
		if args := d.Spec.Template.Spec.Containers[0].Args; args[0] != "--components="+d.Name {
			t.Errorf("%s: got %v", d.Name, args)
		}
	}
}
