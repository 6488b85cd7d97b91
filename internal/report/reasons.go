package report

// Condition types (fluxcd/pkg/apis/meta, source-controller api/v1).
const (
	Ready             = "Ready"
	Reconciling       = "Reconciling"
	StalledCondition  = "Stalled"
	Healthy           = "Healthy"
	ArtifactInStorage = "ArtifactInStorage"
	ArtifactOutdated  = "ArtifactOutdated"
	FetchFailed       = "FetchFailed"
	StorageFailed     = "StorageOperationFailed"
	IncludeMissing    = "IncludeUnavailable"
	SourceVerified    = "SourceVerified"
	// Of HelmReleases (helm-controller api/v2).
	Released         = "Released"
	TestSuccess      = "TestSuccess"
	Remediated       = "Remediated"
	DriftedCondition = "Drifted"
	BuildFailed      = "BuildFailed"
	// Of AccessRequests (Leat's own).
	Granted = "Granted"
)

// Conditions says what each type of condition means; docs are made from it.
var Conditions = map[string]string{
	Ready:             "the unit is as its spec asks; False says why not, Unknown that work is under way",
	Reconciling:       "work is under way, or another attempt follows",
	StalledCondition:  "only another spec helps",
	Healthy:           "what a Kustomization applied is ready, where `wait` or `healthChecks` ask for it",
	ArtifactInStorage: "the artifact of the present revision is stored",
	ArtifactOutdated:  "a newer revision is there than the one stored",
	FetchFailed:       "the source could not be read",
	StorageFailed:     "the artifact could not be stored",
	IncludeMissing:    "an included repository is missing or has no artifact",
	SourceVerified:    "the signature of the revision was verified; False where it could not be",
	Released:          "the last install or upgrade of a HelmRelease succeeded",
	TestSuccess:       "the tests of a HelmRelease passed, where it has them run",
	Remediated:        "a failed install or upgrade was rolled back or uninstalled",
	DriftedCondition:  "the cluster differs from the manifest of a HelmRelease with drift detection",
	BuildFailed:       "a HelmChart could not be built",
	Granted:           "the access that an AccessRequest asks for is there (Leat's own)",
}

// Reasons of conditions and events, as Flux words them (flux-v2 section 1.3 and
// the api modules). Reasons lists each with its meaning.
const (
	ReasonSucceeded        = "Succeeded"
	ReasonProgressing      = "Progressing"
	ReasonRetrying         = "ProgressingWithRetry"
	ReasonReconciled       = "ReconciliationSucceeded"
	ReasonReconcileFailed  = "ReconciliationFailed"
	ReasonArtifactFailed   = "ArtifactFailed"
	ReasonBuildFailed      = "BuildFailed"
	ReasonPruneFailed      = "PruneFailed"
	ReasonHealthFailed     = "HealthCheckFailed"
	ReasonDependency       = "DependencyNotReady"
	ReasonInvalidCEL       = "InvalidCELExpression"
	ReasonAccessDenied     = "AccessDenied"
	ReasonGitFailed        = "GitOperationFailed"
	ReasonAuthFailed       = "AuthenticationFailed"
	ReasonEmptyRepository  = "EmptyGitRepository"
	ReasonURLInvalid       = "URLInvalid"
	ReasonNewArtifact      = "NewArtifact"
	ReasonUpToDate         = "ArtifactUpToDate"
	ReasonNewRevision      = "NewRevision"
	ReasonArchiveFailed    = "ArchiveOperationFailed"
	ReasonIncludeMissing   = "NotFound"
	ReasonSourceFailed     = "SourceFetchFailed"
	ReasonValidationFailed = "ValidationFailed"
	ReasonDisabled         = "ReconciliationDisabled"
	ReasonReady            = "Ready"
	ReasonInvalidSpec      = "InvalidSpec"
	ReasonUnsupported      = "FeatureGateDisabled"
	ReasonReadFailed       = "ReadOperationFailed"
	ReasonPullFailed       = "OCIArtifactPullFailed"
	ReasonLayerFailed      = "OCIArtifactLayerOperationFailed"
	ReasonVerification     = "VerificationError"
	ReasonIgnoreFailed     = "SourceIgnoreError"
	// ReasonApproval is Leat's own.
	ReasonApproval = "ApprovalRequired"
)

// Reasons of charts and their repositories (source-controller v1.9,
// internal/helm/chart/errors.go, api/v1).
const (
	ReasonFailed                = "Failed"
	ReasonIndexation            = "IndexationFailed"
	ReasonChartPulled           = "ChartPullSucceeded"
	ReasonChartPackaged         = "ChartPackageSucceeded"
	ReasonChartReference        = "InvalidChartReference"
	ReasonChartPull             = "ChartPullError"
	ReasonMetadataPatch         = "MetadataPatchError"
	ReasonValuesFiles           = "ValuesFilesError"
	ReasonDependencyBuild       = "DependencyBuildError"
	ReasonChartPackage          = "ChartPackageError"
	ReasonNoSource              = "NoSourceArtifact"
	ReasonSourceMissing         = "SourceUnavailable"
	ReasonSourceKind            = "UnsupportedSourceKind"
	ReasonSourceNotReady        = "SourceNotReady"
	ReasonValues                = "ValuesError"
	ReasonChartMutate           = "ChartMutateError"
	ReasonReleaseState          = "StateError"
	ReasonRESTClient            = "RESTClientError"
	ReasonReconcileError        = "ReconcileError"
	ReasonInstallSucceeded      = "InstallSucceeded"
	ReasonInstallFailed         = "InstallFailed"
	ReasonUpgradeSucceeded      = "UpgradeSucceeded"
	ReasonUpgradeFailed         = "UpgradeFailed"
	ReasonTestSucceeded         = "TestSucceeded"
	ReasonTestFailed            = "TestFailed"
	ReasonAwaitingTests         = "AwaitingTests"
	ReasonRollbackSucceeded     = "RollbackSucceeded"
	ReasonRollbackFailed        = "RollbackFailed"
	ReasonUninstallSucceeded    = "UninstallSucceeded"
	ReasonUninstallFailed       = "UninstallFailed"
	ReasonPendingRelease        = "PendingRelease"
	ReasonDrift                 = "DriftDetected"
	ReasonNoDrift               = "NoDriftDetected"
	ReasonDriftCorrected        = "DriftCorrected"
	ReasonDriftCorrectionFailed = "DriftCorrectionFailed"
	ReasonRetriesExceeded       = "RetriesExceeded"
	ReasonMissingTarget         = "MissingRollbackTarget"
)

// Reasons of AccessRequests (Leat's own).
const (
	ReasonAccessRequested  = "AccessRequested"
	ReasonAwaitingApproval = "AwaitingApproval"
	ReasonAccessApproved   = "AccessApproved"
	ReasonAccessGranted    = "AccessGranted"
	ReasonAccessEnded      = "AccessEnded"
	ReasonAccessRejected   = "AccessRejected"
	ReasonAccessExpired    = "RequestExpired"
	ReasonAccessRefused    = "AccessRefused"
	ReasonAccessTooMany    = "TooManyRequests"
	ReasonAccessFailed     = "AccessFailed"
)

// Reasons of warnings, which are events only (Leat's own).
const (
	ReasonUndefined     = "UndefinedVariable"
	ReasonFloating      = "FloatingVersion"
	ReasonUnused        = "UnusedValue"
	ReasonContested     = "ContestedObject"
	ReasonBuildWarning  = "BuildWarning"
	ReasonSimulatedHook = "SimulatedWebhook"
	ReasonSimulatedBind = "SimulatedBinding"
)

// Reasons says what each reason means; docs and tests are made from it.
var Reasons = map[string]string{
	ReasonSucceeded:        "the operation finished",
	ReasonProgressing:      "work is under way",
	ReasonRetrying:         "the last attempt failed; another follows",
	ReasonReconciled:       "the revision is applied, and healthy where that was asked",
	ReasonReconcileFailed:  "the API server refused something",
	ReasonArtifactFailed:   "the source is missing, or has no artifact that can be read",
	ReasonBuildFailed:      "kustomize or the substitution failed",
	ReasonPruneFailed:      "something that Git no longer has could not be deleted",
	ReasonHealthFailed:     "something applied failed, or did not become ready in time",
	ReasonDependency:       "something in dependsOn is not ready",
	ReasonApproval:         "people must approve what the unit would become (Leat's own)",
	ReasonInvalidCEL:       "an expression in the spec does not compile",
	ReasonAccessDenied:     "the reference is not allowed here",
	ReasonGitFailed:        "the remote could not be read",
	ReasonAuthFailed:       "the credentials are missing or refused",
	ReasonEmptyRepository:  "the repository has no commit",
	ReasonURLInvalid:       "the address cannot be used",
	ReasonNewArtifact:      "an artifact was stored",
	ReasonUpToDate:         "the stored artifact is the newest",
	ReasonNewRevision:      "a newer revision is there",
	ReasonArchiveFailed:    "the artifact could not be written",
	ReasonIncludeMissing:   "an included repository is missing or has no artifact",
	ReasonSourceFailed:     "a source of the generator is missing or cannot be read",
	ReasonValidationFailed: "the spec contradicts itself",
	ReasonDisabled:         "an annotation switches the unit off",
	ReasonReady:            "a generator made artifacts anew (events only)",
	ReasonInvalidSpec:      "the spec holds a value that cannot be read",
	ReasonUnsupported:      "the field needs something that this engine does not offer",

	ReasonFailed:                "the repository could not be read",
	ReasonIndexation:            "what the repository offers as its index cannot be read as one",
	ReasonChartPulled:           "the chart is stored as it came",
	ReasonChartPackaged:         "the chart was packaged, and is stored",
	ReasonChartReference:        "the source has no such chart, or no such version of it",
	ReasonChartPull:             "the chart could not be downloaded, or is not what the index says",
	ReasonMetadataPatch:         "the version of the chart takes no build metadata",
	ReasonValuesFiles:           "a values file is missing or cannot be merged",
	ReasonDependencyBuild:       "a dependency of the chart could not be fetched",
	ReasonChartPackage:          "the chart cannot be loaded or packaged",
	ReasonNoSource:              "the source of the chart has no artifact yet",
	ReasonSourceMissing:         "the source of the chart could not be read",
	ReasonSourceKind:            "charts do not come from a source of this kind",
	ReasonReadFailed:            "the tags of the registry could not be read, or none of them is wanted",
	ReasonPullFailed:            "the registry did not give out the artifact",
	ReasonLayerFailed:           "the artifact has no such layer, or it cannot be unpacked",
	ReasonVerification:          "the signature could not be verified",
	ReasonIgnoreFailed:          "the rules of what to leave out cannot be read",
	ReasonSourceNotReady:        "the chart's source has no artifact for its present spec",
	ReasonValues:                "the values cannot be composed",
	ReasonChartMutate:           "the chart's version and the revision of its artifact contradict each other",
	ReasonRESTClient:            "the cluster of spec.kubeConfig cannot be reached",
	ReasonReleaseState:          "the state of the release cannot be found out",
	ReasonReconcileError:        "a run failed outside of any action on the release",
	ReasonInstallSucceeded:      "the release was installed",
	ReasonInstallFailed:         "the release could not be installed",
	ReasonUpgradeSucceeded:      "the release was upgraded",
	ReasonUpgradeFailed:         "the release could not be upgraded",
	ReasonTestSucceeded:         "the tests of the release passed",
	ReasonTestFailed:            "a test of the release failed",
	ReasonAwaitingTests:         "the release was not tested yet",
	ReasonRollbackSucceeded:     "the release was rolled back after a failure",
	ReasonRollbackFailed:        "the release could not be rolled back",
	ReasonUninstallSucceeded:    "the release was uninstalled",
	ReasonUninstallFailed:       "the release could not be uninstalled",
	ReasonPendingRelease:        "an interrupted action on the release was ended",
	ReasonDrift:                 "the cluster differs from the release's manifest",
	ReasonNoDrift:               "the cluster is as the release's manifest says",
	ReasonDriftCorrected:        "what drifted was put back (events only)",
	ReasonDriftCorrectionFailed: "what drifted could not be put back (events only)",
	ReasonRetriesExceeded:       "the last attempt that the spec allows has failed",
	ReasonMissingTarget:         "there is no earlier release to roll back to",

	ReasonAccessRequested:  "somebody asks for access (events only)",
	ReasonAwaitingApproval: "an AccessRequest waits for people to approve it",
	ReasonAccessApproved:   "somebody approved an AccessRequest (events only)",
	ReasonAccessGranted:    "the access holds until the end that the message names",
	ReasonAccessEnded:      "the access is over and its rights are taken away",
	ReasonAccessRejected:   "an AccessRequest was denied, or withdrawn",
	ReasonAccessExpired:    "nobody approved an AccessRequest in time",
	ReasonAccessRefused:    "the policy does not allow an AccessRequest, or its role cannot be granted",
	ReasonAccessTooMany:    "whoever made an AccessRequest has as many as one person may",
	ReasonAccessFailed:     "access could not be given or taken away; it is tried again",

	ReasonUndefined:     "a variable is defined nowhere and became empty (events only)",
	ReasonFloating:      "no version, or a range, is asked for, so that the newest comes (events only)",
	ReasonUnused:        "the chart does not use one of the values (events only)",
	ReasonContested:     "two units want one object; the first keeps it (events only)",
	ReasonBuildWarning:  "kustomize warned of something (events only)",
	ReasonSimulatedHook: "an admission webhook was answered for by leat up (events only)",
	ReasonSimulatedBind: "a pod was bound though no node fits it, by leat up (events only)",
}
