package object

// Names that Flux and its users know; each is part of the drop-in contract
// (Flux v2.9: fluxcd/pkg/apis/meta, kustomize-controller api/v1).
const (
	GroupSource           = "source.toolkit.fluxcd.io"
	GroupKustomize        = "kustomize.toolkit.fluxcd.io"
	GroupHelm             = "helm.toolkit.fluxcd.io"
	GroupNotification     = "notification.toolkit.fluxcd.io"
	GroupImage            = "image.toolkit.fluxcd.io"
	GroupSourceExtensions = "source.extensions.fluxcd.io"

	// ManagerKustomize is the field manager of objects applied for a Kustomization.
	ManagerKustomize = "kustomize-controller"
	// ManagerKustomizeStatus writes the status of Kustomizations.
	ManagerKustomizeStatus = "gotk-kustomize-controller"
	// ManagerHelm is the field manager of objects of a Helm release.
	ManagerHelm = "helm-controller"
	// HelmOwnerName and HelmOwnerNamespace label what a HelmRelease made.
	HelmOwnerName      = GroupHelm + "/name"
	HelmOwnerNamespace = GroupHelm + "/namespace"
	// ManagerSource writes the status of sources.
	ManagerSource = "source-controller"
	// ManagerSourceWatcher writes ArtifactGenerators and their ExternalArtifacts.
	ManagerSourceWatcher = "source-watcher"

	// OwnerName and OwnerNamespace label every object that a Kustomization applied.
	OwnerName      = GroupKustomize + "/name"
	OwnerNamespace = GroupKustomize + "/namespace"

	// Finalizer guards every reconciled kind but ArtifactGenerator.
	Finalizer = "finalizers.fluxcd.io"
	// FinalizerGenerator guards ArtifactGenerators.
	FinalizerGenerator = "source.extensions.fluxcd.io/finalizer"

	// RequestedAt asks for a run; its value is copied to status.lastHandledReconcileAt.
	RequestedAt = "reconcile.fluxcd.io/requestedAt"

	// Annotations (or labels) on applied objects that change how they are handled.
	AnnotationReconcile  = GroupKustomize + "/reconcile"
	AnnotationPrune      = GroupKustomize + "/prune"
	AnnotationSSA        = GroupKustomize + "/ssa"
	AnnotationForce      = GroupKustomize + "/force"
	AnnotationSubstitute = GroupKustomize + "/substitute"
	AnnotationDecrypt    = GroupKustomize + "/decrypt"

	// AnnotationApproval on a Kustomization or HelmRelease names the ConfigMap of its
	// namespace that says whose approval it needs (Leat's own).
	AnnotationApproval = "leat.dev/require-approval"
)
