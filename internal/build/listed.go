package build

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/leat-dev/leat/internal/tree"
)

// asListed returns the resources of a kustomization that lists files and asks for
// nothing else: what kustomize makes of it are these files, one after the other, so
// that reading them is all. Kustomize compares each resource with each other three
// times on the way, which for a thousand of them takes longer than all else. The
// reads are those that kustomize would do. False means that kustomize has to look:
// also for whatever it would refuse, so that it says why.
//
// (kustomize api v0.21.1: internal/target/kusttarget.go accumulates, transforms and
// drops; krusty/kustomizer.go takes off the annotations of the build.)
func (p *port) asListed(dir string) (out []*resource.Resource, ok bool) {
	defer func() {
		if recover() != nil { // kustomize meets it too
			out, ok = nil, false
		}
	}()
	if !p.listing || p.origins != nil {
		return nil, false
	}
	p.load.listed = true
	files, ok := p.listedIn(dir)
	if !ok {
		return nil, false
	}
	for _, name := range files {
		data, err := p.ReadFile(name)
		if err != nil {
			return nil, false
		}
		found, err := factory.SliceFromBytes(data)
		if err != nil {
			return nil, false
		}
		for _, res := range found {
			if !stays(res) {
				return nil, false
			}
		}
		out = append(out, found...)
	}
	return out, differ(out)
}

// listedIn reads the kustomization of dir as kustomize loads it, and returns the
// files that it lists.
func (p *port) listedIn(dir string) ([]string, bool) {
	var text []byte
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		data, err := p.ReadFile(path.Join(dir, base))
		switch {
		case err == nil && text != nil:
			return nil, false // there may be only one
		case err == nil:
			text = data
		case errors.Is(err, errAgain):
			return nil, false
		}
	}
	var k types.Kustomization
	if err := k.Unmarshal(text); err != nil || !onlyLists(k) {
		return nil, false
	}
	out := make([]string, len(k.Resources))
	for i, r := range k.Resources {
		out[i] = path.Join(dir, r)
	}
	return out, true
}

// lists tells whether a kustomization of dir lists files and asks for nothing else.
// It looks and notes nothing: what it says is settled by reading.
func (p *port) lists(dir string, k types.Kustomization) bool {
	for _, r := range k.Resources {
		at, err := p.locate(path.Join(dir, r))
		if err != nil || path.IsAbs(r) || strings.Contains(r, "://") || at.tree.Lookup(at.rel).Kind != tree.File {
			return false
		}
	}
	return onlyLists(k)
}

func onlyLists(k types.Kustomization) bool {
	bare := types.Kustomization{TypeMeta: types.TypeMeta{APIVersion: types.KustomizationVersion, Kind: types.KustomizationKind}, Resources: k.Resources}
	return len(k.Resources) > 0 && reflect.DeepEqual(k, bare)
}

// referrers are the kinds in which kustomize looks for names of others, to change
// them when the others are renamed; it refuses what it cannot look through
// (kustomize api v0.21.1, internal/konfig/builtinpluginconsts/namereference.go).
var referrers = map[string]bool{
	"APIService": true, "ClusterRole": true, "ClusterRoleBinding": true, "CronJob": true, "DaemonSet": true, "Deployment": true,
	"HorizontalPodAutoscaler": true, "Ingress": true, "Job": true, "MutatingWebhookConfiguration": true, "Node": true,
	"PersistentVolume": true, "PersistentVolumeClaim": true, "Pod": true, "PodTemplate": true, "ReplicaSet": true,
	"ReplicationController": true, "Role": true, "RoleBinding": true, "Service": true, "ServiceAccount": true, "StatefulSet": true,
	"StorageClass": true, "ValidatingAdmissionPolicyBinding": true, "ValidatingWebhookConfiguration": true,
}

// stays tells whether kustomize leaves a resource that is only listed as it is, and
// takes off it what kustomize takes off every resource.
func stays(res *resource.Resource) bool {
	if referrers[res.GetKind()] || res.IsNilOrEmpty() {
		return false
	}
	if _, err := res.GetValidatedMetadata(); err != nil {
		return false
	}
	for name := range res.GetAnnotations() {
		if strings.Contains(name, "config.kubernetes.io/") || strings.Contains(name, "config.k8s.io/") {
			return false // it tells kustomize something
		}
	}
	res.RemoveBuildAnnotations()
	return res.SetOrigin(nil) == nil && res.ClearTransformations() == nil
}

// identity is what no two resources of a build have in common.
type identity struct{ group, version, kind, namespace, name string }

func identityOf(res *resource.Resource) identity {
	id := res.CurId()
	return identity{id.Group, id.Version, id.Kind, id.EffectiveNamespace(), id.Name}
}

func differ(all []*resource.Resource) bool {
	seen := make(map[identity]bool, len(all))
	for _, res := range all {
		seen[identityOf(res)] = true
	}
	return len(seen) == len(all)
}

// identities knows who is who, as long as resources change one after the other. Its
// zero value has not looked yet.
type identities struct {
	at     []identity
	counts map[identity]int
}

// changed takes note that the i-th resource was changed, and refuses what makes it one
// that is there already, as kustomize's resmap does where a resource is replaced
// (api v0.21.1, resmap/reswrangler.go, GetIndexOfCurrentId).
func (c *identities) changed(all []*resource.Resource, i int) error {
	if c.counts == nil {
		c.at, c.counts = make([]identity, len(all)), make(map[identity]int, len(all))
		for j, res := range all {
			c.at[j] = identityOf(res)
			c.counts[c.at[j]]++
		}
	} else {
		c.counts[c.at[i]]--
		c.at[i] = identityOf(all[i])
		c.counts[c.at[i]]++
	}
	if n := c.counts[c.at[i]]; n > 1 {
		return fmt.Errorf("in Replace: id matched %d resources", n)
	}
	return nil
}
