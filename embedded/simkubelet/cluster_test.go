package simkubelet_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/leat-dev/leat/embedded/kubetest"
	"github.com/leat-dev/leat/embedded/simkubelet"
)

func TestMain(m *testing.M) {
	kubetest.Quick("TestDeploymentBecomesAvailable", "TestJobThatExitsSaysItsCode", "TestFailNeverGetsReady")
	kubetest.Main(m, kubetest.Nodes(2))
}

func cluster(t *testing.T) (*kubernetes.Clientset, string) {
	t.Helper()
	client, err := kubernetes.NewForConfig(kubetest.Shared(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	return client, kubetest.Namespace(t)
}

func template(simulate string, policy corev1.RestartPolicy) corev1.PodTemplateSpec {
	always := corev1.ContainerRestartPolicyAlways
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels: map[string]string{"app": "x"}, Annotations: map[string]string{simkubelet.Annotation: simulate},
		},
		Spec: corev1.PodSpec{
			RestartPolicy: policy,
			InitContainers: []corev1.Container{
				{Name: "setup", Image: "busybox"},
				{Name: "proxy", Image: "envoy", RestartPolicy: &always},
			},
			Containers: []corev1.Container{{Name: "main", Image: "nginx"}},
		},
	}
}

func deploy(t *testing.T, client *kubernetes.Clientset, ns string, replicas int32, pod corev1.PodTemplateSpec) {
	t.Helper()
	_, err := client.AppsV1().Deployments(ns).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Template: pod,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func awaitDeployment(t *testing.T, client *kubernetes.Clientset, ns string, ok func(*appsv1.Deployment) bool) {
	t.Helper()
	kubetest.Await(t, client.AppsV1().RESTClient(), "deployments", ns, "web", ok)
}

func pods(t *testing.T, client *kubernetes.Clientset, ns string) []corev1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestDeploymentBecomesAvailable(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	deploy(t, client, ns, 3, template("", corev1.RestartPolicyAlways))
	awaitDeployment(t, client, ns, func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == 3 })
	for _, p := range pods(t, client, ns) {
		node, err := client.CoreV1().Nodes().Get(t.Context(), p.Spec.NodeName, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if node.Labels[simkubelet.Label] != "true" || !strings.Contains(node.Status.NodeInfo.OSImage, "simulated") {
			t.Errorf("node %s does not say that it is simulated: %v %v", node.Name, node.Labels, node.Status.NodeInfo)
		}
		if got := len(p.Status.InitContainerStatuses); got != 2 {
			t.Errorf("pod %s: got %d init container statuses, want 2", p.Name, got)
		}
	}
}

func TestDeploymentWithoutAFittingNodeRunsWithANote(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	pod := template("", corev1.RestartPolicyAlways)
	pod.Spec.NodeSelector = map[string]string{"pool": "gpu"}
	deploy(t, client, ns, 1, pod)
	awaitDeployment(t, client, ns, func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == 1 })
	name := pods(t, client, ns)[0].Name + ".simulatedbinding"
	kubetest.Await(t, client.CoreV1().RESTClient(), "events", ns, name, func(e *corev1.Event) bool {
		return strings.Contains(e.Message, "a real cluster needs a node that fits")
	})
}

func TestFailNeverGetsReady(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	deploy(t, client, ns, 1, template("fail", corev1.RestartPolicyAlways))
	awaitDeployment(t, client, ns, func(d *appsv1.Deployment) bool { return d.Status.UpdatedReplicas == 1 })
	p := kubetest.Await(t, client.CoreV1().RESTClient(), "pods", ns, pods(t, client, ns)[0].Name, func(p *corev1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].RestartCount > 0
	})
	c := p.Status.ContainerStatuses[0]
	if c.State.Waiting == nil || c.State.Waiting.Reason != "CrashLoopBackOff" || c.Ready {
		t.Errorf("got %+v, want CrashLoopBackOff", c)
	}
}

func TestSlowGetsReadyLater(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	deploy(t, client, ns, 1, template("slow=1s", corev1.RestartPolicyAlways))
	sawUnready := false
	awaitDeployment(t, client, ns, func(d *appsv1.Deployment) bool {
		sawUnready = sawUnready || d.Status.UpdatedReplicas == 1 && d.Status.ReadyReplicas == 0
		return d.Status.AvailableReplicas == 1
	})
	if !sawUnready {
		t.Error("it was ready at once")
	}
}

func job(t *testing.T, client *kubernetes.Clientset, ns, simulate string) *batchv1.Job {
	t.Helper()
	none := int32(0)
	_, err := client.BatchV1().Jobs(ns).Create(t.Context(), &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: "job"},
		Spec:       batchv1.JobSpec{BackoffLimit: &none, Template: template(simulate, corev1.RestartPolicyNever)},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return kubetest.Await(t, client.BatchV1().RESTClient(), "jobs", ns, "job", func(j *batchv1.Job) bool {
		return finished(j, batchv1.JobComplete) || finished(j, batchv1.JobFailed)
	})
}

func finished(j *batchv1.Job, kind batchv1.JobConditionType) bool {
	for _, c := range j.Status.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func TestJobs(t *testing.T) {
	t.Parallel()
	for simulate, want := range map[string]batchv1.JobConditionType{
		"": batchv1.JobComplete, "slow=1s": batchv1.JobComplete,
		"job-exit-1": batchv1.JobFailed, "fail": batchv1.JobFailed,
	} {
		t.Run("simulate "+simulate, func(t *testing.T) {
			t.Parallel()
			client, ns := cluster(t)
			if got := job(t, client, ns, simulate); !finished(got, want) {
				t.Errorf("got %+v, want %s", got.Status.Conditions, want)
			}
		})
	}
}

func TestJobThatExitsSaysItsCode(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	job(t, client, ns, "job-exit-1")
	for _, p := range pods(t, client, ns) {
		if got := p.Status.ContainerStatuses[0].State.Terminated; got == nil || got.ExitCode != 1 {
			t.Errorf("got %+v, want exit code 1", got)
		}
	}
}

func TestLoadBalancersGetDifferentAddresses(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	seen := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		_, err := client.CoreV1().Services(ns).Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := kubetest.Await(t, client.CoreV1().RESTClient(), "services", ns, name, func(s *corev1.Service) bool {
			return len(s.Status.LoadBalancer.Ingress) == 1
		})
		ip := s.Status.LoadBalancer.Ingress[0].IP
		if !strings.HasPrefix(ip, "192.0.2.") || seen[ip] {
			t.Errorf("service %s: got %s, want a fresh address of 192.0.2.0/24", name, ip)
		}
		seen[ip] = true
	}
}

func TestClaimsOfAnyClassAreBoundAndReclaimed(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	unknown := "someone-elses"
	for name, class := range map[string]*string{"default": nil, "unknown": &unknown} {
		claim, err := client.CoreV1().PersistentVolumeClaims(ns).Create(t.Context(), &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeClaimSpec{
				StorageClassName: class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		core := client.CoreV1().RESTClient()
		kubetest.Await(t, core, "persistentvolumeclaims", ns, name, func(c *corev1.PersistentVolumeClaim) bool {
			return c.Status.Phase == corev1.ClaimBound
		})
		if err := client.CoreV1().PersistentVolumeClaims(ns).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		kubetest.AwaitGone[corev1.PersistentVolume](t, core, "persistentvolumes", "", "pvc-"+string(claim.UID))
	}
}

func TestNamespaceWithPodsGoesAtOnce(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	deploy(t, client, ns, 3, template("", corev1.RestartPolicyAlways))
	awaitDeployment(t, client, ns, func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == 3 })
	if err := client.CoreV1().Namespaces().Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.AwaitGone[corev1.Namespace](t, client.CoreV1().RESTClient(), "namespaces", "", ns)
}

func TestLogsSayThatThePodIsSimulated(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	pod := template("", corev1.RestartPolicyAlways)
	_, err := client.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: pod.Spec,
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kubetest.Await(t, client.CoreV1().RESTClient(), "pods", ns, "p", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	stream, err := client.CoreV1().Pods(ns).GetLogs("p", &corev1.PodLogOptions{Container: "main"}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	got, err := io.ReadAll(stream)
	if want := "pod " + ns + "/p is simulated: container main was never started"; err != nil || !strings.Contains(string(got), want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestExecSaysThatThePodIsSimulated(t *testing.T) {
	t.Parallel()
	client, ns := cluster(t)
	pod := template("", corev1.RestartPolicyAlways)
	if _, err := client.CoreV1().Pods(ns).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: pod.Spec,
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kubetest.Await(t, client.CoreV1().RESTClient(), "pods", ns, "p", func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	url := client.CoreV1().RESTClient().Post().Namespace(ns).Resource("pods").Name("p").SubResource("exec").
		Param("container", "main").Param("command", "ls").Param("stdout", "true").URL()
	exec, err := remotecommand.NewSPDYExecutor(kubetest.Shared(t).Config, http.MethodPost, url)
	if err != nil {
		t.Fatal(err)
	}
	err = exec.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "simulated by leat") {
		t.Errorf("got %v, want an error that says simulated by leat", err)
	}
}
