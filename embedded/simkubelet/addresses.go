package simkubelet

import (
	"encoding/binary"
	"net/netip"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// podRange has eight million addresses, so that none is given twice while the
// control plane lives.
var podRange = netip.MustParsePrefix("10.128.0.0/9")

// addresses hands out pod addresses, each higher than all before.
type addresses struct {
	mu   sync.Mutex
	last uint32 // offset in podRange
}

// used notes an address that a pod has already.
func (a *addresses) used(ip string) {
	addr, err := netip.ParseAddr(ip)
	if err != nil || !podRange.Contains(addr) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = max(a.last, offset(addr))
}

// of is the address of a pod that has a node: its own, or a new one.
func (a *addresses) of(p *corev1.Pod) string {
	if p.Status.PodIP != "" || p.Spec.NodeName == "" {
		return p.Status.PodIP
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	return address(a.last).String()
}

func offset(a netip.Addr) uint32 {
	first, b := podRange.Addr().As4(), a.As4()
	return binary.BigEndian.Uint32(b[:]) - binary.BigEndian.Uint32(first[:])
}

func address(offset uint32) netip.Addr {
	first := podRange.Addr().As4()
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(first[:])+offset)
	return netip.AddrFrom4(b)
}
