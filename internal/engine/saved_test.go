package engine

import (
	"reflect"
	"testing"

	"github.com/leat-dev/leat/internal/testkit"
)

// A field that is new must be saved, or said here to need no saving.
func TestEveryFieldOfMemoryIsSavedOrNot(t *testing.T) {
	testkit.Fields(t, reflect.TypeFor[memo](), map[string]string{
		"marks": "", "wants": "", "since": "", "waitOn": "", "reads": "", "swept": "", "at": "", "held": "", "digest": "", "warnings": "",
		"attempt": "", "settled": "", "compared": "", "drift": "",
		"stored": "a source that runs again stores it", "generated": "a generator that runs again makes it", "failures": "decides when time alone brings a run", "rounds": "likewise", "undone": "tells of what this process left pending",
	})
	testkit.Fields(t, reflect.TypeFor[warnings](), map[string]string{"built": "", "values": "", "stamp": "", "told": "what events were made of"})
	testkit.Fields(t, reflect.TypeFor[attempt](), map[string]string{"stamp": "", "done": "", "drift": "", "found": "where there is one, nothing of the attempt is saved"})
	testkit.Fields(t, reflect.TypeFor[unwritten](), map[string]string{"unit": "", "status": "", "found": ""})
	testkit.Fields(t, reflect.TypeFor[wanted](), map[string]string{"stamp": "", "keys": ""})
	testkit.Fields(t, reflect.TypeFor[shared](), map[string]string{"left": "", "floats": ""})
	testkit.Fields(t, reflect.TypeFor[floatingBy](), map[string]string{"message": "", "cause": "", "at": ""})
}
