package plan

import (
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Texts of admission webhooks and of CEL rules in CRDs, which have no reason
// of their own (fluxcd/pkg/ssa errors/immutable.go, v0.76).
var immutableText = regexp.MustCompile(`is\simmutable|immutable\sfield`)

// Texts of a Conflict that means «somebody was faster», not «this field cannot
// change» (k8s.io/apiserver registry/generic and storage preconditions).
var lostRaceTexts = []string{"the object has been modified", "Precondition failed", "in precondition"}

// Replaceable tells whether force may answer err, the error of a dry run, by
// deleting the object and making it anew. As in Flux every Invalid and every
// Conflict counts, and any text that says immutable. Other than in Flux a
// Conflict that only lost a race does not: trying again is enough there.
func Replaceable(err error) bool {
	switch {
	case err == nil || lostRace(err):
		return false
	case apierrors.IsConflict(err) || apierrors.IsInvalid(err):
		return true
	}
	return immutableText.MatchString(err.Error())
}

func lostRace(err error) bool {
	if !apierrors.IsConflict(err) {
		return false
	}
	for _, text := range lostRaceTexts {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
