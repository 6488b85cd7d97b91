package simkubelet

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	nodePrefix  = "leat-sim-"
	kubeletPort = 10250 // in the API only: nothing listens there
	zones       = 3
)

// NodeName is the name of the i-th simulated node.
func NodeName(i int) string { return nodePrefix + strconv.Itoa(i) }

// nodeIP is an address from TEST-NET-2 (RFC 5737), which is routed nowhere.
func nodeIP(i int) string { return fmt.Sprintf("198.51.100.%d", 1+i%254) }

// ensureNodes creates the nodes, and removes those of an earlier run with more.
func (s *podSim) ensureNodes(ctx context.Context, version string) error {
	nodes := s.client.CoreV1().Nodes()
	for i := range s.nodes {
		if err := s.ensureNode(ctx, i, version); err != nil {
			return err
		}
	}
	have, err := nodes.List(ctx, metav1.ListOptions{LabelSelector: Label + "=true"})
	if err != nil {
		return err
	}
	for _, n := range have.Items {
		i, err := strconv.Atoi(strings.TrimPrefix(n.Name, nodePrefix))
		if err == nil && i < s.nodes {
			continue
		}
		if err := nodes.Delete(ctx, n.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// ensureNode creates a node, or brings that of an earlier run up to date.
func (s *podSim) ensureNode(ctx context.Context, i int, version string) error {
	nodes := s.client.CoreV1().Nodes()
	name := NodeName(i)
	node, err := nodes.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: nodeLabels(i)}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		node, err = nodes.Get(ctx, name, metav1.GetOptions{})
	}
	if err != nil {
		return err
	}
	node.Status = nodeStatus(i, version)
	if node, err = nodes.UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	ref := corev1.ObjectReference{Kind: "Node", APIVersion: "v1", Name: name, UID: node.UID}
	return s.event(ctx, ref, Reason, "this node and all pods on it are simulated by leat: no container runs")
}

func nodeLabels(i int) map[string]string {
	return map[string]string{
		Label:                          "true",
		corev1.LabelHostname:           NodeName(i),
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         runtime.GOARCH,
		corev1.LabelInstanceTypeStable: "simulated",
		corev1.LabelTopologyRegion:     "simulated",
		corev1.LabelTopologyZone:       "simulated-" + string(rune('a'+i%zones)),
	}
}

func nodeStatus(i int, version string) corev1.NodeStatus {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"),
		corev1.ResourcePods: resource.MustParse("10000"), corev1.ResourceEphemeralStorage: resource.MustParse("100Ti"),
	}
	now := metav1.Now()
	st := corev1.NodeStatus{
		Capacity: room, Allocatable: room,
		Addresses:       []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: nodeIP(i)}, {Type: corev1.NodeHostName, Address: NodeName(i)}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: kubeletPort}},
		NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion: version + "-simulated", OperatingSystem: "linux", Architecture: runtime.GOARCH,
			ContainerRuntimeVersion: "simulated://leat", OSImage: "simulated by leat: no container runs", KernelVersion: "simulated",
		},
	}
	for _, c := range []struct {
		kind   corev1.NodeConditionType
		status corev1.ConditionStatus
	}{
		{corev1.NodeReady, corev1.ConditionTrue},
		{corev1.NodeMemoryPressure, corev1.ConditionFalse},
		{corev1.NodeDiskPressure, corev1.ConditionFalse},
		{corev1.NodePIDPressure, corev1.ConditionFalse},
	} {
		st.Conditions = append(st.Conditions, corev1.NodeCondition{
			Type: c.kind, Status: c.status, LastHeartbeatTime: now, LastTransitionTime: now,
			Reason: Reason, Message: "simulated by leat: there is no machine",
		})
	}
	return st
}
