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
)

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
}
