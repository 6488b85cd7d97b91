package simkubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

// lbAddresses is the number of addresses in TEST-NET-1 (RFC 5737), 192.0.2.0/24.
const lbAddresses = 254

// serviceSim gives Services of type LoadBalancer an address that leads nowhere.
type serviceSim struct {
	client kubernetes.Interface

	mu    sync.Mutex
	given map[string]types.UID // by address
}

func (s *serviceSim) loop() *loop.Loop {
	s.given = map[string]types.UID{}
	return loop.New(loop.Spec{
		Resource: "services", Client: s.client.CoreV1().RESTClient(), Object: &corev1.Service{}, Workers: 1,
		Seen: s.seen,
		Sync: func(ctx context.Context, o runtime.Object) (time.Duration, error) {
			return 0, s.sync(ctx, o.(*corev1.Service))
		},
	})
}

func (s *serviceSim) seen(o runtime.Object) {
	svc := o.(*corev1.Service)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range svc.Status.LoadBalancer.Ingress {
		s.given[in.IP] = svc.UID
	}
}

func (s *serviceSim) sync(ctx context.Context, svc *corev1.Service) error {
	wants := svc.Spec.Type == corev1.ServiceTypeLoadBalancer && svc.DeletionTimestamp == nil
	has := len(svc.Status.LoadBalancer.Ingress) > 0
	if wants == has {
		return nil
	}
	svc = svc.DeepCopy()
	svc.Status.LoadBalancer.Ingress = nil
	if wants {
		svc.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: s.address(svc)}}
	}
	_, err := s.client.CoreV1().Services(svc.Namespace).UpdateStatus(ctx, svc, metav1.UpdateOptions{})
	return err
}

// address is the one that the Service asks for, else one that no other has
// while there are such.
func (s *serviceSim) address(svc *corev1.Service) string {
	if svc.Spec.LoadBalancerIP != "" {
		return svc.Spec.LoadBalancerIP
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ip := ""
	for i := range lbAddresses {
		ip = fmt.Sprintf("192.0.2.%d", 1+i)
		if owner, taken := s.given[ip]; !taken || owner == svc.UID {
			break
		}
	}
	s.given[ip] = svc.UID
	return ip
}
