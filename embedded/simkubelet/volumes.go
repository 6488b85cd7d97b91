package simkubelet

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/leat-dev/leat/embedded/internal/loop"
)

// StorageClass is the name of the default class, which binds at once.
const StorageClass = "leat-simulated"

// provisioner of simulated volumes, which hold nothing.
const provisioner = "simulated.leat.dev"

const (
	annDefaultClass  = "storageclass.kubernetes.io/is-default-class"
	annProvisionedBy = "pv.kubernetes.io/provisioned-by"
)

// volumeSim makes a volume for each claim that waits for one, whatever its
// class: the drivers of other classes are pods, which are simulated too.
type volumeSim struct{ client kubernetes.Interface }

func (s *volumeSim) claims() *loop.Loop {
	return loop.New(loop.Spec{
		Resource: "persistentvolumeclaims", Client: s.client.CoreV1().RESTClient(), Object: &corev1.PersistentVolumeClaim{}, Workers: 2,
		Sync: func(ctx context.Context, o runtime.Object) (time.Duration, error) {
			return 0, s.provision(ctx, o.(*corev1.PersistentVolumeClaim))
		},
	})
}

func (s *volumeSim) volumes() *loop.Loop {
	return loop.New(loop.Spec{
		Resource: "persistentvolumes", Client: s.client.CoreV1().RESTClient(), Object: &corev1.PersistentVolume{}, Workers: 1,
		Sync: func(ctx context.Context, o runtime.Object) (time.Duration, error) {
			return 0, s.reclaim(ctx, o.(*corev1.PersistentVolume))
		},
	})
}

// ensureStorageClass creates the default class once. A person may delete or
// change it.
func ensureStorageClass(ctx context.Context, client kubernetes.Interface) error {
	reclaim, binding, expand := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingImmediate, true
	_, err := client.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: StorageClass, Labels: map[string]string{Label: "true"},
			Annotations: map[string]string{annDefaultClass: "true"},
		},
		Provisioner: provisioner, ReclaimPolicy: &reclaim, VolumeBindingMode: &binding, AllowVolumeExpansion: &expand,
	}, metav1.CreateOptions{})
	return exists(err)
}

// provision creates the volume of a claim that asks for one; the volume binder
// of kube-controller-manager binds the two.
func (s *volumeSim) provision(ctx context.Context, c *corev1.PersistentVolumeClaim) error {
	if !waits(c) {
		return nil
	}
	_, err := s.client.CoreV1().PersistentVolumes().Create(ctx, volumeFor(c), metav1.CreateOptions{})
	return exists(err)
}

// waits reports whether a claim waits for a new volume. One that names or
// selects a volume, or has the class "", wants one that somebody made.
func waits(c *corev1.PersistentVolumeClaim) bool {
	return c.DeletionTimestamp == nil && c.Status.Phase != corev1.ClaimBound &&
		c.Spec.VolumeName == "" && c.Spec.Selector == nil &&
		c.Spec.StorageClassName != nil && *c.Spec.StorageClassName != ""
}

func volumeFor(c *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	name := "pvc-" + string(c.UID)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{Label: "true"},
			Annotations: map[string]string{annProvisionedBy: provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      c.Spec.Resources.Requests,
			AccessModes:                   c.Spec.AccessModes,
			VolumeMode:                    c.Spec.VolumeMode,
			StorageClassName:              *c.Spec.StorageClassName,
			VolumeAttributesClassName:     c.Spec.VolumeAttributesClassName,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: c.Name, UID: c.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: provisioner, VolumeHandle: name},
			},
		},
	}
}

// reclaim deletes our volumes whose claim is gone.
func (s *volumeSim) reclaim(ctx context.Context, v *corev1.PersistentVolume) error {
	ours := v.Annotations[annProvisionedBy] == provisioner
	if !ours || v.Status.Phase != corev1.VolumeReleased || v.DeletionTimestamp != nil ||
		v.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	return s.client.CoreV1().PersistentVolumes().Delete(ctx, v.Name, metav1.DeleteOptions{})
}
